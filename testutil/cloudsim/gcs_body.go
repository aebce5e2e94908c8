package cloudsim

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what Cloud Storage keeps
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strings"
)

// gcsPrealloc bounds what is allocated on the word of a Content-Length.
const gcsPrealloc = 64 << 20

// gcsReadAll reads the body to its end. A body that is cut short yields an
// error of the transport, never the part.
func gcsReadAll(r *http.Request) ([]byte, error) {
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, gcsPrealloc)) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(r.Body); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func gcsParseError() *gcsError {
	return gcsFail(http.StatusBadRequest, "parseError", "InvalidArgument", "Parse Error")
}

// gcsInput is what a client may say of a new object.
type gcsInput struct {
	Name               string            `json:"name"`
	Bucket             string            `json:"bucket"`
	ContentType        string            `json:"contentType"`
	CacheControl       string            `json:"cacheControl"`
	ContentEncoding    string            `json:"contentEncoding"`
	ContentDisposition string            `json:"contentDisposition"`
	ContentLanguage    string            `json:"contentLanguage"`
	StorageClass       string            `json:"storageClass"`
	Metadata           map[string]string `json:"metadata"`
	CRC32C             string            `json:"crc32c"`
	MD5Hash            string            `json:"md5Hash"`
}

// parseGCSInput reads the JSON of an upload. What it does not know is passed
// over: clients send more than is simulated.
func parseGCSInput(body []byte) (gcsInput, error) {
	var in gcsInput
	if len(bytes.TrimSpace(body)) == 0 {
		return in, nil
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return in, gcsParseError()
	}
	return in, nil
}

// named checks in against the request, and sets its name.
func (in *gcsInput) named(c *gcsCall) error {
	if n := c.query.Get("name"); n != "" {
		in.Name = n
	}
	c.object = in.Name
	if in.Bucket != "" && in.Bucket != c.bucket {
		return gcsInvalid("Value '%s' in content does not agree with value '%s'.", in.Bucket, c.bucket)
	}
	if err := gcsCheckName(in.Name); err != nil {
		return err
	}
	return gcsCheckMetadata(in.Metadata)
}

func (in *gcsInput) object(body []byte) *Object {
	o := NewObject(in.Name, body)
	in.attrs(o)
	return o
}

func (in *gcsInput) attrs(o *Object) {
	o.ContentType = in.ContentType
	o.CacheControl = in.CacheControl
	o.ContentEncoding = in.ContentEncoding
	o.ContentDisposition = in.ContentDisposition
	o.ContentLanguage = in.ContentLanguage
	o.StorageClass = in.StorageClass
	o.Metadata = in.Metadata
}

// hashes adds those of an X-Goog-Hash header: crc32c=…,md5=…
func (in *gcsInput) hashes(h http.Header) {
	for _, line := range h.Values("X-Goog-Hash") {
		for part := range strings.SplitSeq(line, ",") {
			switch name, sum, _ := strings.Cut(strings.TrimSpace(part), "="); name {
			case "crc32c":
				in.CRC32C = sum
			case "md5":
				in.MD5Hash = sum
			}
		}
	}
}

// verify compares the checksums that were sent with those of the bytes.
func (in *gcsInput) verify(body []byte) error {
	if in.CRC32C != "" {
		want, err := base64.StdEncoding.DecodeString(in.CRC32C)
		if err != nil || len(want) != 4 {
			return gcsInvalid("Invalid value for crc32c: '%s'.", in.CRC32C)
		}
		if got := crc32.Checksum(body, castagnoli); got != binary.BigEndian.Uint32(want) {
			return gcsInvalid("Provided CRC32C \"%s\" doesn't match calculated CRC32C \"%s\".", in.CRC32C, gcsCRC(got))
		}
	}
	if in.MD5Hash != "" {
		want, err := base64.StdEncoding.DecodeString(in.MD5Hash)
		if err != nil || len(want) != md5.Size {
			return gcsInvalid("Invalid value for md5Hash: '%s'.", in.MD5Hash)
		}
		if got := md5.Sum(body); !bytes.Equal(got[:], want) { //nolint:gosec // see the import
			return gcsInvalid("Provided MD5 hash \"%s\" doesn't match calculated MD5 hash \"%s\".",
				in.MD5Hash, base64.StdEncoding.EncodeToString(got[:]))
		}
	}
	return nil
}
