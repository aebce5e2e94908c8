package cloudsim

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Bounds on what a client may send between the chunks.
const (
	s3MaxChunkHeader = 1 << 10
	s3MaxTrailers    = 8
)

// s3Chunks decodes an aws-chunked body: chunks with or without signatures, and
// trailers ("Signature calculations for the authorization header: transferring
// payload in multiple chunks").
type s3Chunks struct {
	br       *bufio.Reader
	left     int64 // of the present chunk
	started  bool
	ended    bool
	signed   bool
	trailing bool
	trailers map[string]string

	sig       *s3Signature // nil when signatures are not checked
	previous  string       // signature of the chunk before
	signature string       // claimed by the present chunk
	hash      hash.Hash
}

func newS3Chunks(r io.Reader, kind string, sig *s3Signature) *s3Chunks {
	c := &s3Chunks{br: bufio.NewReaderSize(r, 64<<10), trailers: map[string]string{}}
	c.signed = kind != s3StreamingUnsigned
	c.trailing = kind != s3StreamingSigned
	if sig != nil && c.signed {
		c.sig, c.previous, c.hash = sig, sig.signature, sha256.New()
	}
	return c
}

// Read yields decoded bytes. Errors other than io.EOF are *s3Error.
func (c *s3Chunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.br.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if err != nil && n == 0 {
		return 0, s3Incomplete()
	}
	return n, nil
}

// next finishes the present chunk and reads the header of the following one.
func (c *s3Chunks) next() error {
	if c.started {
		if line, err := c.line(); err != nil {
			return err
		} else if line != "" {
			return s3BadChunk("A chunk goes on behind its size")
		}
		if err := c.verifyChunk(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	digits, extension, _ := strings.Cut(line, ";")
	size, err := strconv.ParseUint(digits, 16, 40)
	if err != nil {
		return s3BadChunk("A chunk has no valid size")
	}
	c.signature, _ = strings.CutPrefix(extension, "chunk-signature=")
	if c.signed && len(c.signature) != sha256.Size*2 {
		return s3BadChunk("A chunk lacks its signature")
	}
	c.started, c.left = true, int64(size)
	if size > 0 {
		return nil
	}
	c.ended = true
	if err := c.verifyChunk(); err != nil {
		return err
	}
	return c.readTrailers()
}

func (c *s3Chunks) readTrailers() error {
	var canonical strings.Builder
	signature := ""
	for range s3MaxTrailers {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line == "" {
			return c.verifyTrailer(canonical.String(), signature)
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !c.trailing {
			return s3MalformedTrailer()
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "x-amz-trailer-signature" {
			signature = value
			continue
		}
		c.trailers[name] = value
		canonical.WriteString(name + ":" + value + "\n")
	}
	return s3MalformedTrailer()
}

// end requires that the body has been read to its last chunk and no further.
func (c *s3Chunks) end() error {
	var one [1]byte
	switch _, err := io.ReadFull(c, one[:]); {
	case err == nil:
		return s3BadChunk("The body is longer than x-amz-decoded-content-length")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// line reads up to CRLF. A body that ends here is incomplete.
func (c *s3Chunks) line() (string, error) {
	var b []byte
	for {
		part, err := c.br.ReadSlice('\n')
		b = append(b, part...)
		if len(b) > s3MaxChunkHeader {
			return "", s3BadChunk("The header of a chunk is too long")
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", s3Incomplete()
		}
	}
	line, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok {
		return "", s3BadChunk("The header of a chunk does not end in CRLF")
	}
	return line, nil
}

func (c *s3Chunks) verifyChunk() error {
	if c.sig == nil {
		return nil
	}
	want := c.sig.chunk(c.previous, hex.EncodeToString(c.hash.Sum(nil)))
	if want != c.signature {
		return s3BadSignature()
	}
	c.previous = want
	c.hash.Reset()
	return nil
}

func (c *s3Chunks) verifyTrailer(canonical, signature string) error {
	if c.sig == nil || !c.trailing {
		return nil
	}
	if c.sig.trailer(c.previous, canonical) != signature {
		return s3BadSignature()
	}
	return nil
}

func s3BadChunk(message string) *s3Error {
	return s3Fail(http.StatusBadRequest, "InvalidChunkSizeError", message)
}
