package cloudsim

import (
	"bytes"
	"crypto/md5" //nolint:gosec // S3's ETag
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
)

type s3CompleteRequest struct {
	Parts []s3CompletePart `xml:"Part"`
}

type s3CompletePart struct {
	PartNumber int
	ETag       string
	Checksums  []struct {
		XMLName xml.Name
		Value   string `xml:",chardata"`
	} `xml:",any"`
}

// checksum returns the value given for the algorithm, or "".
func (p s3CompletePart) checksum(algorithm string) string {
	for _, c := range p.Checksums {
		if c.XMLName.Local == "Checksum"+algorithm {
			return strings.TrimSpace(c.Value)
		}
	}
	return ""
}

func (f *s3Face) completeMultipartUpload(q *s3Request) error {
	u, _, err := f.uploads.find(q)
	if err != nil {
		return err
	}
	cond, err := f.s3WriteCondition(q)
	if err != nil {
		return err
	}
	if f.opts.Interop {
		cond = nil // "XML API multipart uploads", preconditions are not supported
	}
	// The checksum header is of the object here, not of the XML.
	want, err := s3SentChecksum(q.Header)
	if err != nil {
		return err
	}
	body, err := f.readCompletion(q)
	if err != nil {
		return err
	}
	var req s3CompleteRequest
	if err := s3Decode(body, &req); err != nil {
		return err
	}
	chosen, err := f.uploads.choose(u, req, f.opts.MinPartBytes)
	if err != nil {
		return err
	}
	o := u.assemble(chosen)
	if err := s3VerifyCompletion(q.Header, u, o, want); err != nil {
		return err
	}
	stored, err := q.bucket.Put(o, q.origin(), func(cur *Object) error {
		if cond != nil {
			if err := cond(cur); err != nil {
				return err
			}
		}
		if !f.uploads.end(u) {
			return s3NoSuchUpload()
		}
		return nil
	}, s3Finish)
	if err != nil {
		return err
	}
	f.writeVersion(q.w.Header(), q.bucket, stored)
	f.writeEncryption(q.w.Header(), stored)
	var x s3XML
	x.open("CompleteMultipartUploadResult")
	x.element("Location", "http://"+q.Host+q.URL.EscapedPath())
	x.element("Bucket", q.bucketName)
	x.element("Key", q.key)
	x.etag(s3ETag(stored))
	if !f.opts.Interop {
		c := s3StoredChecksum(stored)
		x.element(c.element(), c.value)
		x.element("ChecksumType", c.kind)
	}
	x.close("CompleteMultipartUploadResult")
	return x.send(q, http.StatusOK)
}

// readCompletion reads the XML without taking x-amz-checksum-* for its own.
func (f *s3Face) readCompletion(q *s3Request) ([]byte, error) {
	bare := *q
	bare.Request = q.Clone(q.Context())
	bare.Body = q.Body
	for name := range bare.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-checksum-") {
			bare.Header.Del(name)
		}
	}
	p, err := f.readPayload(&bare, "", s3MaxXML)
	if err != nil {
		return nil, err
	}
	return p.data, nil
}

// choose checks the list of parts against those uploaded.
func (s *s3Uploads) choose(u *s3Upload, req s3CompleteRequest, minPart int) ([]*s3Part, error) {
	if len(req.Parts) == 0 {
		return nil, s3MalformedXML()
	}
	for i := 1; i < len(req.Parts); i++ {
		if req.Parts[i].PartNumber <= req.Parts[i-1].PartNumber {
			return nil, s3Fail(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
	}
	_, have := s.snapshot(u)
	chosen := make([]*s3Part, len(req.Parts))
	for i, p := range req.Parts {
		part := have[p.PartNumber]
		sent := p.checksum(u.algorithm)
		if part == nil || s3Unquote(p.ETag) != part.etag || sent != "" && sent != part.checksum.value {
			return nil, s3Fail(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
				with("PartNumber", strconv.Itoa(p.PartNumber))
		}
		if sent == "" && u.kind == s3Composite {
			return nil, s3Invalid("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.algorithm), p.PartNumber)
		}
		if i < len(req.Parts)-1 && len(part.body) < minPart {
			return nil, s3Fail(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
				with("PartNumber", strconv.Itoa(p.PartNumber)).with("ProposedSize", strconv.Itoa(len(part.body))).with("MinSizeAllowed", strconv.Itoa(minPart))
		}
		chosen[i] = part
	}
	return chosen, nil
}

// assemble joins the parts into the object to be stored.
func (u *s3Upload) assemble(parts []*s3Part) *Object {
	o := u.object.clone()
	etag := md5.New() //nolint:gosec // see the import
	bodies := make([][]byte, len(parts))
	composite := s3NewHash(u.algorithm)
	for i, p := range parts {
		etag.Write(p.md5)
		bodies[i] = p.body
		value, _, _ := strings.Cut(p.checksum.value, "-")
		if b, err := base64.StdEncoding.DecodeString(value); err == nil {
			composite.Write(b)
		}
	}
	o.Body = bytes.Join(bodies, nil)
	o.ETag = hex.EncodeToString(etag.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	o.CRC32C = crc32.Checksum(o.Body, castagnoli)
	if u.kind == s3Composite {
		s3Checksum{algorithm: u.algorithm, kind: s3Composite, value: base64.StdEncoding.EncodeToString(composite.Sum(nil)) + "-" + strconv.Itoa(len(parts))}.keep(o)
	} else {
		s3ChecksumOf(u.algorithm, o.Body).keep(o)
	}
	return o
}

// s3VerifyCompletion compares what Complete promises of the whole object.
func s3VerifyCompletion(h http.Header, u *s3Upload, o *Object, want s3Checksum) error {
	if v := h.Get("x-amz-mp-object-size"); v != "" && v != strconv.Itoa(len(o.Body)) {
		return s3Invalid("The provided 'x-amz-mp-object-size' header value %s does not match what was computed: %d", v, len(o.Body))
	}
	if kind := h.Get("x-amz-checksum-type"); kind != "" && !strings.EqualFold(kind, u.kind) {
		return s3Invalid("Checksum type mismatch occurred, expected checksum type: %s, actual checksum type: %s", u.kind, kind)
	}
	if want.algorithm == "" {
		return nil
	}
	if want.algorithm != u.algorithm {
		return s3Invalid("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(u.algorithm), strings.ToLower(want.algorithm))
	}
	got := s3StoredChecksum(o).value
	if whole, _, _ := strings.Cut(got, "-"); want.value != got && want.value != whole {
		return s3BadDigest(want.algorithm)
	}
	return nil
}
