package cloudsim

import (
	"crypto/md5"  //nolint:gosec // S3's ETag and Content-MD5
	"crypto/sha1" //nolint:gosec // one of S3's checksum algorithms
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"
	"sync"
)

// Checksum types ("Checking object integrity in Amazon S3").
const (
	s3FullObject = "FULL_OBJECT"
	s3Composite  = "COMPOSITE"
)

// The algorithm that S3 computes by itself when the client sent no checksum.
const s3DefaultAlgorithm = "CRC64NVME"

var s3CRC64 = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(0x9A6C9329AC4BC9B5) })

// s3NewHash returns the hash of a checksum algorithm, or nil if unknown.
func s3NewHash(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(castagnoli)
	case "CRC64NVME":
		return crc64.New(s3CRC64())
	case "SHA1":
		return sha1.New() //nolint:gosec // see the import
	case "SHA256":
		return sha256.New()
	}
	return nil
}

// s3Checksum is a checksum with its algorithm; the zero value is none.
type s3Checksum struct {
	algorithm string
	value     string // base64, with -N behind it when composite
	kind      string // FULL_OBJECT or COMPOSITE
}

func (c s3Checksum) header() string { return "x-amz-checksum-" + strings.ToLower(c.algorithm) }

func (c s3Checksum) element() string { return "Checksum" + c.algorithm }

func s3ChecksumOf(algorithm string, body []byte) s3Checksum {
	h := s3NewHash(algorithm)
	h.Write(body)
	return s3Checksum{algorithm: algorithm, value: base64.StdEncoding.EncodeToString(h.Sum(nil)), kind: s3FullObject}
}

// s3SentChecksum finds the one x-amz-checksum-* header, if any.
func s3SentChecksum(h http.Header) (s3Checksum, error) {
	var c s3Checksum
	for name, values := range h {
		algorithm, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-checksum-")
		if !ok || algorithm == "algorithm" || algorithm == "type" || algorithm == "mode" {
			continue
		}
		if c.algorithm != "" || len(values) != 1 {
			return c, s3Invalid("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		c = s3Checksum{algorithm: strings.ToUpper(algorithm), value: values[0], kind: s3FullObject}
	}
	return c, c.valid()
}

// valid checks algorithm and form of a value that a client sent.
func (c s3Checksum) valid() error {
	if c.algorithm == "" {
		return nil
	}
	h := s3NewHash(c.algorithm)
	if h == nil {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "The checksum algorithm "+c.algorithm+" is not implemented")
	}
	value, _, _ := strings.Cut(c.value, "-")
	if b, err := base64.StdEncoding.DecodeString(value); err != nil || len(b) != h.Size() {
		return s3Invalid("Value for %s header is invalid.", c.header())
	}
	return nil
}

// s3Algorithm reads x-amz-checksum-algorithm.
func s3Algorithm(h http.Header) (string, error) {
	a := strings.ToUpper(h.Get("x-amz-checksum-algorithm"))
	if a != "" && s3NewHash(a) == nil {
		return "", s3Invalid("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return a, nil
}

// keep stores c with the object.
func (c s3Checksum) keep(o *Object) {
	if o.Extra == nil {
		o.Extra = map[string]string{}
	}
	o.Extra["s3-checksum-algorithm"] = c.algorithm
	o.Extra["s3-checksum"] = c.value
	o.Extra["s3-checksum-type"] = c.kind
}

// s3StoredChecksum is what was kept with o, or what S3 would have computed by
// itself for an object that came into the core another way.
func s3StoredChecksum(o *Object) s3Checksum {
	if a := o.Extra["s3-checksum-algorithm"]; a != "" {
		return s3Checksum{algorithm: a, value: o.Extra["s3-checksum"], kind: o.Extra["s3-checksum-type"]}
	}
	return s3ChecksumOf(s3DefaultAlgorithm, o.Body)
}

// s3Digest hashes a body as it arrives: MD5 and CRC32C always, one checksum,
// and SHA-256 when the payload hash is to be checked.
type s3Digest struct {
	md5      hash.Hash
	crc32c   hash.Hash32
	sha256   hash.Hash // nil unless wanted
	checksum hash.Hash // nil where it is one of the others
	sort     string    // the algorithm of checksum
}

func newS3Digest(algorithm string, payloadHash bool) *s3Digest {
	if algorithm == "" {
		algorithm = s3DefaultAlgorithm
	}
	d := &s3Digest{md5: md5.New(), crc32c: crc32.New(castagnoli), sort: algorithm} //nolint:gosec // see the import
	if payloadHash || algorithm == "SHA256" {
		d.sha256 = sha256.New()
	}
	if algorithm != "CRC32C" && algorithm != "SHA256" {
		d.checksum = s3NewHash(algorithm)
	}
	return d
}

func (d *s3Digest) Write(p []byte) (int, error) {
	d.md5.Write(p)
	d.crc32c.Write(p)
	if d.sha256 != nil {
		d.sha256.Write(p)
	}
	if d.checksum != nil {
		d.checksum.Write(p)
	}
	return len(p), nil
}

func (d *s3Digest) sum() s3Checksum {
	h := d.checksum
	switch d.sort {
	case "CRC32C":
		h = d.crc32c
	case "SHA256":
		h = d.sha256
	}
	return s3Checksum{algorithm: d.sort, value: base64.StdEncoding.EncodeToString(h.Sum(nil)), kind: s3FullObject}
}

func s3BadDigest(what string) *s3Error {
	return s3Fail(http.StatusBadRequest, "BadDigest", fmt.Sprintf("The %s you specified did not match the calculated checksum.", what))
}
