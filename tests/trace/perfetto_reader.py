#!/usr/bin/env python3
"""Decodes a trace with Perfetto's own protobuf classes, checks it, and prints counts: one "COUNT WHAT" a line."""

import collections
import sys

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

trace = Trace()
with open(sys.argv[1], "rb") as file:
    trace.ParseFromString(file.read())

names, keys, tracks, parents = {}, {}, {}, {}
open_slices = collections.defaultdict(list)
times = collections.defaultdict(int)
counts = collections.Counter()
flows = collections.defaultdict(list)
for number, packet in enumerate(trace.packet):
    assert packet.trusted_packet_sequence_id == 1
    assert bool(packet.sequence_flags & 1) == (number == 0), "the state is cleared once"
    names.update((entry.iid, entry.name) for entry in packet.interned_data.event_names)
    keys.update((entry.iid, entry.name) for entry in packet.interned_data.debug_annotation_names)
    if packet.HasField("track_descriptor"):
        track = packet.track_descriptor
        assert track.uuid not in tracks, f"{track.name} is named twice"
        assert not track.parent_uuid or track.parent_uuid in tracks, f"{track.name} has no parent"
        tracks[track.uuid], parents[track.uuid] = track.name, track.parent_uuid
        continue
    event = packet.track_event
    assert event.track_uuid in tracks, "an event on a track without a name"
    assert times[event.track_uuid] <= packet.timestamp, "time went back"
    times[event.track_uuid] = packet.timestamp
    if event.type == TrackEvent.TYPE_COUNTER:
        counts["counter " + tracks[event.track_uuid]] += 1
        continue
    details = {keys[detail.name_iid]: detail.uint_value for detail in event.debug_annotations}
    name = names[event.name_iid] if event.type != TrackEvent.TYPE_SLICE_END else ""
    stack = open_slices[event.track_uuid]
    if event.type == TrackEvent.TYPE_SLICE_BEGIN:
        stack.append(name)
    elif event.type == TrackEvent.TYPE_SLICE_END:
        name = "end of " + stack.pop()
    counts[name] += 1
    counts["bytes of " + name.split(":")[0]] += details.get("bytes", 0)
    for flow in event.flow_ids:
        flows[flow].append(name.split(":")[0])
assert not any(open_slices.values()), "slices without an end"
for flow in flows.values():
    counts["arrows " + " > ".join(sorted(set(flow)))] += 1
for uuid, name in tracks.items():
    print(1, "track", name, "of", tracks.get(parents[uuid], "nothing"))
for name, count in sorted(counts.items()):
    if count:
        print(count, name)
