package cloudsim

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// s3Upload is a multipart upload under way.
type s3Upload struct {
	id        string
	bucket    string
	object    *Object // name and attributes
	algorithm string  // of the whole object
	kind      string  // FULL_OBJECT or COMPOSITE
	named     bool    // Create named the algorithm
	initiated time.Time
	parts     map[int]*s3Part
}

type s3Part struct {
	body     []byte
	md5      []byte
	etag     string
	checksum s3Checksum
	at       time.Time
}

func newS3Part(body, sum []byte, checksum s3Checksum, at time.Time) *s3Part {
	return &s3Part{body: body, md5: sum, etag: hex.EncodeToString(sum), checksum: checksum, at: at}
}

// s3Uploads are the uploads of a face.
type s3Uploads struct {
	mu   sync.Mutex
	byID map[string]*s3Upload
	last uint64
}

// find returns the upload that q names, and the part number if it has one.
func (s *s3Uploads) find(q *s3Request) (u *s3Upload, number int, err error) {
	if q.query.Has("partNumber") {
		v := q.query.Get("partNumber")
		number, err = strconv.Atoi(v)
		if err != nil || number < 1 || number > s3MaxParts {
			return nil, 0, s3InvalidArgument("partNumber", v, "Part number must be an integer between 1 and 10000, inclusive")
		}
	} else if q.Method == http.MethodPut {
		return nil, 0, s3InvalidArgument("partNumber", "", "This operation does not accept a query parameter uploadId without partNumber")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u = s.byID[q.query.Get("uploadId")]
	if u == nil || u.bucket != q.bucketName || u.object.Name != q.key {
		return nil, 0, s3NoSuchUpload()
	}
	return u, number, nil
}

// add stores a part, unless the upload has ended meanwhile.
func (s *s3Uploads) add(u *s3Upload, number int, p *s3Part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[u.id] != u {
		return s3NoSuchUpload()
	}
	u.parts[number] = p
	return nil
}

// snapshot returns the parts in order of their numbers.
func (s *s3Uploads) snapshot(u *s3Upload) (numbers []int, parts map[int]*s3Part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts = make(map[int]*s3Part, len(u.parts))
	for n, p := range u.parts {
		numbers = append(numbers, n)
		parts[n] = p
	}
	slices.Sort(numbers)
	return numbers, parts
}

// end forgets the upload; false when it had ended before.
func (s *s3Uploads) end(u *s3Upload) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[u.id] != u {
		return false
	}
	delete(s.byID, u.id)
	return true
}

func s3NoSuchUpload() *s3Error {
	return s3Fail(http.StatusNotFound, "NoSuchUpload", "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.")
}

func (f *s3Face) createMultipartUpload(q *s3Request) error {
	o := &Object{Name: q.key}
	if err := s3Attributes(q.Header, o); err != nil {
		return err
	}
	u := &s3Upload{bucket: q.bucketName, object: o, initiated: f.core.now(), parts: map[int]*s3Part{}}
	if err := u.setChecksum(q.Header); err != nil {
		return err
	}
	f.uploads.mu.Lock()
	f.uploads.last++
	u.id = "upload-" + requestID(f.uploads.last)
	f.uploads.byID[u.id] = u
	f.uploads.mu.Unlock()

	if u.named {
		q.w.Header().Set("x-amz-checksum-algorithm", u.algorithm)
		q.w.Header().Set("x-amz-checksum-type", u.kind)
	}
	var x s3XML
	x.open("InitiateMultipartUploadResult")
	x.element("Bucket", q.bucketName)
	x.element("Key", q.key)
	x.element("UploadId", u.id)
	x.close("InitiateMultipartUploadResult")
	return x.send(q, http.StatusOK)
}

// setChecksum reads algorithm and type of the checksum that the whole will
// have: CRC64NVME only of the full object, SHA only composite, CRC32 and CRC32C
// either ("Checking object integrity in Amazon S3", multipart uploads).
func (u *s3Upload) setChecksum(h http.Header) error {
	algorithm, err := s3Algorithm(h)
	if err != nil {
		return err
	}
	kind := strings.ToUpper(h.Get("x-amz-checksum-type"))
	u.named = algorithm != ""
	if algorithm == "" {
		if kind != "" {
			return s3Invalid("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		u.algorithm, u.kind = s3DefaultAlgorithm, s3FullObject
		return nil
	}
	sha := strings.HasPrefix(algorithm, "SHA")
	switch {
	case kind == "" && algorithm == s3DefaultAlgorithm:
		kind = s3FullObject
	case kind == "":
		kind = s3Composite
	case kind != s3FullObject && kind != s3Composite:
		return s3Invalid("Value for x-amz-checksum-type header is invalid.")
	case kind == s3FullObject && sha, kind == s3Composite && algorithm == s3DefaultAlgorithm:
		return s3Invalid("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(algorithm))
	}
	u.algorithm, u.kind = algorithm, kind
	return nil
}

func (f *s3Face) uploadPart(q *s3Request) error {
	u, number, err := f.uploads.find(q)
	if err != nil {
		return err
	}
	p, err := f.readPayload(q, u.algorithm, s3MaxBody)
	if err != nil {
		return err
	}
	switch {
	case p.sent && p.checksum.algorithm != u.algorithm:
		want := "null"
		if u.named {
			want = strings.ToLower(u.algorithm)
		}
		return s3Invalid("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", want, strings.ToLower(p.checksum.algorithm))
	case !p.sent && u.kind == s3Composite:
		return s3Invalid("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: null", strings.ToLower(u.algorithm))
	}
	part := newS3Part(p.data, p.md5, p.checksum, f.core.now())
	if err := f.uploads.add(u, number, part); err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("ETag", `"`+part.etag+`"`)
	if !f.opts.Interop {
		h.Set(p.checksum.header(), p.checksum.value)
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (f *s3Face) abortMultipartUpload(q *s3Request) error {
	u, _, err := f.uploads.find(q)
	if err != nil {
		return err
	}
	if !f.uploads.end(u) {
		return s3NoSuchUpload()
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
