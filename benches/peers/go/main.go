// The framed echo protocol in Go: a goroutine a connection, on the standard library's net.
package main

import (
	"bytes"
	"errors"
	"log"
	"net"
	"os"
	"strconv"
)

const (
	headerLen = 64
	readChunk = 64 * 1024
	// Longer numbers might not fit into an int.
	maxLengthDigits = 18
)

var (
	spaces          = bytes.Repeat([]byte(" "), headerLen)
	echoCommand     = []byte("ECHO ")
	acknowledgement = []byte("Message received successfully....")
	errBadHeader    = errors.New("bad header")
)

func decodeHeader(header []byte) (int, error) {
	digits, value := 0, 0
	for digits < maxLengthDigits && '0' <= header[digits] && header[digits] <= '9' {
		value = value*10 + int(header[digits]-'0')
		digits++
	}
	if digits == 0 || !bytes.Equal(header[digits:], spaces[digits:]) {
		return 0, errBadHeader
	}
	return value, nil
}

func appendFrame(output, body []byte) []byte {
	before := len(output)
	output = strconv.AppendInt(output, int64(len(body)), 10)
	output = append(output, spaces[len(output)-before:]...)
	return append(output, body...)
}

// answerFrames appends to output the reply to every whole frame, and returns it and the bytes that
// are left. The replies to the frames before a bad header come with the error.
func answerFrames(input, output []byte) ([]byte, []byte, error) {
	for len(input) >= headerLen {
		bodyLen, err := decodeHeader(input[:headerLen])
		if err != nil {
			return input, output, err
		}
		if len(input)-headerLen < bodyLen {
			break
		}
		body := input[headerLen : headerLen+bodyLen]
		if bytes.HasPrefix(body, echoCommand) {
			output = appendFrame(output, body[len(echoCommand):])
		} else {
			output = appendFrame(output, acknowledgement)
		}
		input = input[headerLen+bodyLen:]
	}
	return input, output, nil
}

func serve(conn net.Conn) {
	defer conn.Close()
	input := make([]byte, readChunk)
	var output []byte
	unparsed := 0
	for {
		if unparsed == len(input) {
			input = append(input, make([]byte, len(input))...)
		}
		n, err := conn.Read(input[unparsed:])
		if err != nil {
			return
		}
		rest, replies, badHeader := answerFrames(input[:unparsed+n], output[:0])
		output = replies
		if len(output) > 0 {
			if _, err := conn.Write(output); err != nil {
				return
			}
		}
		if badHeader != nil {
			return
		}
		unparsed = copy(input, rest)
	}
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go_server PORT")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}
