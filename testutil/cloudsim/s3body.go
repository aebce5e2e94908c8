package cloudsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Values of x-amz-content-sha256 that are no hash ("Authenticating Requests:
// AWS Signature Version 4", chunked uploads).
const (
	s3Unsigned           = "UNSIGNED-PAYLOAD"
	s3StreamingPrefix    = "STREAMING-"
	s3StreamingUnsigned  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	s3StreamingSigned    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	s3StreamingSignedEnd = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// s3Payload is a body that arrived whole and had every checksum it was sent with.
type s3Payload struct {
	data     []byte
	md5      []byte
	crc32c   uint32
	checksum s3Checksum // as sent, or the default one as computed
	sent     bool       // the client sent checksum
}

// readPayload reads the body of q. want names the checksum to compute when the
// client sends none. Any error means that nothing may be stored.
func (f *s3Face) readPayload(q *s3Request, want string, limit int64) (*s3Payload, error) {
	sent, err := s3SentChecksum(q.Header)
	if err != nil {
		return nil, err
	}
	contentMD5, err := s3ContentMD5(q.Header)
	if err != nil {
		return nil, err
	}
	trailer, err := s3TrailerAlgorithm(q.Header)
	if err != nil {
		return nil, err
	}
	if trailer != "" && sent.algorithm != "" {
		return nil, s3Invalid("Expecting a single x-amz-checksum- header or trailer.")
	}
	algorithm := want
	if sent.algorithm != "" {
		algorithm = sent.algorithm
	} else if trailer != "" {
		algorithm = trailer
	}

	hashed := s3PayloadHash(q)
	size, body, chunks, err := f.openBody(q, hashed)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, s3Fail(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
			with("ProposedSize", strconv.FormatInt(size, 10)).with("MaxSizeAllowed", strconv.FormatInt(limit, 10))
	}
	verifyHash := len(hashed) == sha256.Size*2
	digest := newS3Digest(algorithm, verifyHash)
	data, err := s3ReadExactly(q.fault.flipReader(body), size, digest)
	if err != nil {
		return nil, err
	}
	p := &s3Payload{data: data, md5: digest.md5.Sum(nil), crc32c: digest.crc32c.Sum32(), checksum: digest.sum(), sent: sent.algorithm != "" || trailer != ""}

	if chunks != nil {
		if err := chunks.end(); err != nil {
			return nil, err
		}
		if trailer != "" {
			sent = s3Checksum{algorithm: trailer, value: chunks.trailers["x-amz-checksum-"+strings.ToLower(trailer)]}
			if sent.value == "" {
				return nil, s3MalformedTrailer()
			}
			if err := sent.valid(); err != nil {
				return nil, err
			}
		}
	}
	if verifyHash && !strings.EqualFold(hashed, hex.EncodeToString(digest.sha256.Sum(nil))) {
		return nil, s3Fail(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if contentMD5 != nil && string(contentMD5) != string(p.md5) {
		return nil, s3Fail(http.StatusBadRequest, "BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	if sent.algorithm != "" && sent.value != p.checksum.value {
		return nil, s3BadDigest(sent.algorithm)
	}
	q.fault.unnoticed()
	return p, nil
}

// openBody returns the decoded length and body; chunks is set when the body is
// aws-chunked.
func (f *s3Face) openBody(q *s3Request, hashed string) (size int64, body io.Reader, chunks *s3Chunks, err error) {
	streaming := strings.HasPrefix(hashed, s3StreamingPrefix)
	if f.opts.Interop && (streaming || q.Header.Get("x-amz-trailer") != "") {
		return 0, nil, nil, s3InvalidArgument("x-amz-content-sha256", hashed, "Chunked uploads are not supported")
	}
	if !streaming {
		if q.Header.Get("x-amz-trailer") != "" {
			return 0, nil, nil, s3MalformedTrailer()
		}
		if q.ContentLength < 0 {
			return 0, nil, nil, s3NoLength()
		}
		return q.ContentLength, q.Body, nil, nil
	}
	switch hashed {
	case s3StreamingUnsigned, s3StreamingSigned, s3StreamingSignedEnd:
	default:
		return 0, nil, nil, s3InvalidArgument("x-amz-content-sha256", hashed, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a streaming type, or a valid sha256 value.")
	}
	decoded, err := strconv.ParseInt(q.Header.Get("x-amz-decoded-content-length"), 10, 64)
	if err != nil || decoded < 0 {
		return 0, nil, nil, s3NoLength()
	}
	chunks = newS3Chunks(q.Body, hashed, q.sig)
	return decoded, chunks, chunks, nil
}

// s3PayloadHash is x-amz-content-sha256; requests without it count as unsigned.
func s3PayloadHash(q *s3Request) string {
	if h := q.Header.Get("x-amz-content-sha256"); h != "" {
		return h
	}
	if h := q.query.Get("X-Amz-Content-Sha256"); h != "" {
		return h
	}
	return s3Unsigned
}

// s3ReadExactly reads size bytes, hashing them as they come.
func s3ReadExactly(r io.Reader, size int64, digest io.Writer) ([]byte, error) {
	const step = 256 << 10
	data := make([]byte, size)
	for done := int64(0); done < size; {
		n, err := io.ReadFull(r, data[done:min(done+step, size)])
		digest.Write(data[done : done+int64(n)]) //nolint:errcheck // never fails
		done += int64(n)
		if e, ok := err.(*s3Error); ok { //nolint:errorlint // s3Chunks returns it bare
			return nil, e
		}
		if err != nil {
			return nil, s3Incomplete()
		}
	}
	return data, nil
}

func s3Incomplete() *s3Error {
	return s3Fail(http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

func s3NoLength() *s3Error {
	return s3Fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
}

func s3MalformedTrailer() *s3Error {
	return s3Fail(http.StatusBadRequest, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
}

func s3ContentMD5(h http.Header) ([]byte, error) {
	v := h.Get("Content-Md5")
	if v == "" {
		return nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(b) != 16 {
		return nil, s3Fail(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.").with("Content-MD5", v)
	}
	return b, nil
}

// s3TrailerAlgorithm is the checksum algorithm that x-amz-trailer promises.
func s3TrailerAlgorithm(h http.Header) (string, error) {
	v := h.Get("x-amz-trailer")
	if v == "" {
		return "", nil
	}
	name, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(v)), "x-amz-checksum-")
	if !ok {
		return "", s3Invalid("The value specified in the x-amz-trailer header is not supported")
	}
	algorithm := strings.ToUpper(name)
	if s3NewHash(algorithm) == nil {
		return "", s3Invalid("The value specified in the x-amz-trailer header is not supported")
	}
	return algorithm, nil
}
