package cloudsim

import (
	"crypto/md5" //nolint:gosec // S3's ETag
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// s3CopySource reads x-amz-copy-source, [/]bucket/key[?versionId=id] with bucket
// and key URL-encoded, and returns the object that it names, when it meets the
// x-amz-copy-source-if-* conditions.
func (f *s3Face) s3CopySource(q *s3Request) (src *Object, versionID string, err error) {
	header := q.Header.Get("x-amz-copy-source")
	path, query, _ := strings.Cut(header, "?")
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	bucket, err1 := url.PathUnescape(bucket)
	key, err2 := url.PathUnescape(key)
	values, err3 := url.ParseQuery(query)
	if !ok || key == "" || err1 != nil || err2 != nil || err3 != nil {
		return nil, "", s3InvalidArgument("x-amz-copy-source", header, "Invalid copy source object key")
	}
	versionID = values.Get("versionId")
	from := *q
	if from.bucket = f.core.Bucket(bucket); from.bucket == nil {
		return nil, "", s3Fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket)
	}
	from.bucketName = bucket
	if err := f.mayCopy(&from, key, versionID); err != nil {
		return nil, "", err
	}
	if src, err = f.find(&from, key, versionID); err != nil {
		return nil, "", err
	}
	if err := s3ReadCondition(q.Header, "x-amz-copy-source-", src); err != nil {
		return nil, "", err
	}
	if f.opts.Interop {
		cond, err := interopCondition(q.Header, "x-goog-copy-source-if-")
		if err != nil {
			return nil, "", err
		}
		if cond != nil && cond(src) != nil {
			return nil, "", s3Precondition("x-goog-copy-source-if-*")
		}
	}
	if src.StorageClass == "GLACIER" || src.StorageClass == "DEEP_ARCHIVE" {
		return nil, "", s3Fail(http.StatusForbidden, "InvalidObjectState", "The source object of the COPY action is not in the active tier")
	}
	if from.bucket.Versioned {
		q.w.Header().Set("x-amz-copy-source-version-id", src.VersionID())
	}
	return src, versionID, nil
}

func (f *s3Face) copyObject(q *s3Request) error {
	cond, err := f.s3WriteCondition(q)
	if err != nil {
		return err
	}
	src, versionID, err := f.s3CopySource(q)
	if err != nil {
		return err
	}
	if len(src.Body) > s3MaxBody {
		return s3Invalid("The specified copy source is larger than the maximum allowable size for a copy source: %d", s3MaxBody)
	}
	o, err := f.copied(q, src, versionID)
	if err != nil {
		return err
	}
	stored, err := q.bucket.Put(o, q.origin(), cond, s3Finish)
	if err != nil {
		return err
	}
	f.writeVersion(q.w.Header(), q.bucket, stored)
	f.writeEncryption(q.w.Header(), stored)
	var x s3XML
	x.open("CopyObjectResult")
	x.time("LastModified", s3Time(stored))
	x.etag(s3ETag(stored))
	if !f.opts.Interop {
		c := s3StoredChecksum(stored)
		x.element("ChecksumType", c.kind)
		x.element(c.element(), c.value)
	}
	x.close("CopyObjectResult")
	return x.send(q, http.StatusOK)
}

// copied builds the object that a CopyObject stores. A copy is a plain object,
// whatever the source was: its ETag and checksum are of the whole body.
func (f *s3Face) copied(q *s3Request, src *Object, versionID string) (*Object, error) {
	sum := md5.Sum(src.Body) //nolint:gosec // see the import
	o := &Object{Name: q.key, Body: src.Body, MD5: sum[:], CRC32C: src.CRC32C, Extra: map[string]string{}}
	replace := false
	switch d := q.Header.Get("x-amz-metadata-directive"); d {
	case "", "COPY":
		o.ContentType, o.CacheControl, o.ContentEncoding = src.ContentType, src.CacheControl, src.ContentEncoding
		o.ContentDisposition, o.ContentLanguage = src.ContentDisposition, src.ContentLanguage
		o.Metadata = maps.Clone(src.Metadata)
		if v := src.Extra[s3ExtraExpires]; v != "" {
			o.Extra[s3ExtraExpires] = v
		}
		for _, x := range s3ExtraHeaders {
			if v := q.Header.Get(x[1]); v != "" && (x[0] == s3ExtraRedirect || x[0] == s3ExtraSSE) {
				o.Extra[x[0]] = v
			}
		}
		if err := s3Class(q.Header, o); err != nil {
			return nil, err
		}
	case "REPLACE":
		replace = true
		if err := s3Attributes(q.Header, o); err != nil {
			return nil, err
		}
	default:
		return nil, s3InvalidArgument("x-amz-metadata-directive", d, "Unknown metadata directive.")
	}
	if d := q.Header.Get("x-amz-tagging-directive"); d != "REPLACE" {
		delete(o.Extra, s3ExtraTagging)
		if t := src.Extra[s3ExtraTagging]; t != "" {
			o.Extra[s3ExtraTagging] = t
		}
	}
	itself := src.Name == q.key && f.core.Bucket(q.bucketName).Get(q.key) == src && versionID == ""
	if itself && !replace && o.StorageClass == s3ClassOf(src) {
		return nil, s3Invalid("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	algorithm, err := s3Algorithm(q.Header)
	if err != nil {
		return nil, err
	}
	if algorithm == "" {
		algorithm = s3StoredChecksum(src).algorithm
	}
	s3ChecksumOf(algorithm, o.Body).keep(o)
	return o, nil
}

// uploadPartCopy stores a range of another object as a part.
func (f *s3Face) uploadPartCopy(q *s3Request) error {
	u, number, err := f.uploads.find(q)
	if err != nil {
		return err
	}
	src, _, err := f.s3CopySource(q)
	if err != nil {
		return err
	}
	body := src.Body
	if v := q.Header.Get("x-amz-copy-source-range"); v != "" {
		from, to, ok, err := s3Range(v, int64(len(body)))
		if err != nil || !ok || v != "bytes="+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(to-1, 10) {
			return s3InvalidArgument("x-amz-copy-source-range", v, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		body = body[from:to]
	}
	sum := md5.Sum(body) //nolint:gosec // see the import
	part := newS3Part(body, sum[:], s3ChecksumOf(u.algorithm, body), f.core.now())
	if err := f.uploads.add(u, number, part); err != nil {
		return err
	}
	var x s3XML
	x.open("CopyPartResult")
	x.time("LastModified", part.at)
	x.etag(part.etag)
	x.element(part.checksum.element(), part.checksum.value)
	x.close("CopyPartResult")
	return x.send(q, http.StatusOK)
}
