"""The framed echo protocol on bytes, for both servers in Python."""

HEADER_LEN = 64
ECHO_COMMAND = b"ECHO "
ACKNOWLEDGEMENT = b"Message received successfully...."


class BadHeader(Exception):
    """What should have been a header is not one; `args[0]` are the replies to the frames before it."""


def answer_frames(data):
    """Returns the replies to every whole frame in `data`, and how many of its bytes those took."""
    replies = []
    answered = 0
    while (body_at := answered + HEADER_LEN) <= len(data):
        digits = data[answered:body_at].rstrip(b" ")
        if not digits.isdigit():
            raise BadHeader(b"".join(replies))
        end = body_at + int(digits)
        if end > len(data):
            break
        if data.startswith(ECHO_COMMAND, body_at, end):
            text = data[body_at + len(ECHO_COMMAND):end]
        else:
            text = ACKNOWLEDGEMENT
        replies.append(b"%-64d" % len(text))
        replies.append(text)
        answered = end
    return b"".join(replies), answered
