package cloudsim

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (f *s3Face) listParts(q *s3Request) error {
	u, _, err := f.uploads.find(q)
	if err != nil {
		return err
	}
	limit, err := s3Number(q, "max-parts", s3MaxKeys)
	if err != nil {
		return err
	}
	marker, err := s3Number(q, "part-number-marker", 0)
	if err != nil {
		return err
	}
	limit = min(limit, s3MaxKeys)
	numbers, parts := f.uploads.snapshot(u)
	i, found := slices.BinarySearch(numbers, marker)
	if found {
		i++
	}
	numbers = numbers[i:]
	truncated := len(numbers) > limit
	if truncated {
		numbers = numbers[:limit]
	}
	var x s3XML
	x.open("ListPartsResult")
	x.element("Bucket", q.bucketName)
	x.element("Key", q.key)
	x.element("UploadId", u.id)
	x.number("PartNumberMarker", int64(marker))
	if truncated && len(numbers) > 0 {
		x.number("NextPartNumberMarker", int64(numbers[len(numbers)-1]))
	}
	x.number("MaxParts", int64(limit))
	x.element("IsTruncated", boolText(truncated))
	x.element("StorageClass", s3ClassOf(u.object))
	x.element("ChecksumAlgorithm", u.algorithm)
	x.element("ChecksumType", u.kind)
	for _, n := range numbers {
		p := parts[n]
		x.begin("Part")
		x.number("PartNumber", int64(n))
		x.time("LastModified", p.at)
		x.etag(p.etag)
		x.number("Size", int64(len(p.body)))
		x.element(p.checksum.element(), p.checksum.value)
		x.close("Part")
	}
	x.close("ListPartsResult")
	return x.send(q, http.StatusOK)
}

func (f *s3Face) listMultipartUploads(q *s3Request) error {
	p, err := s3ReadPage(q)
	if err != nil {
		return err
	}
	limit, err := s3Number(q, "max-uploads", s3MaxKeys)
	if err != nil {
		return err
	}
	limit = min(limit, s3MaxKeys)
	if p.delimiter != "" {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "delimiter is not implemented for uploads")
	}
	keyMarker, idMarker := q.query.Get("key-marker"), q.query.Get("upload-id-marker")
	var list []*s3Upload
	f.uploads.mu.Lock()
	for _, u := range f.uploads.byID {
		k := u.object.Name
		behind := keyMarker == "" || k > keyMarker || k == keyMarker && idMarker != "" && u.id > idMarker
		if u.bucket == q.bucketName && strings.HasPrefix(k, p.prefix) && behind {
			list = append(list, u)
		}
	}
	f.uploads.mu.Unlock()
	slices.SortFunc(list, func(a, b *s3Upload) int {
		return cmp.Or(strings.Compare(a.object.Name, b.object.Name), strings.Compare(a.id, b.id))
	})
	truncated := len(list) > limit
	if truncated {
		list = list[:limit]
	}
	var x s3XML
	x.open("ListMultipartUploadsResult")
	x.element("Bucket", q.bucketName)
	x.element("KeyMarker", p.encode(keyMarker))
	x.element("UploadIdMarker", idMarker)
	x.element("Prefix", p.encode(p.prefix))
	if truncated && len(list) > 0 {
		x.element("NextKeyMarker", p.encode(list[len(list)-1].object.Name))
		x.element("NextUploadIdMarker", list[len(list)-1].id)
	}
	if p.url {
		x.element("EncodingType", "url")
	}
	x.number("MaxUploads", int64(limit))
	x.element("IsTruncated", boolText(truncated))
	for _, u := range list {
		x.begin("Upload")
		x.element("Key", p.encode(u.object.Name))
		x.element("UploadId", u.id)
		x.time("Initiated", u.initiated)
		x.element("StorageClass", s3ClassOf(u.object))
		x.element("ChecksumAlgorithm", u.algorithm)
		x.element("ChecksumType", u.kind)
		x.close("Upload")
	}
	x.close("ListMultipartUploadsResult")
	return x.send(q, http.StatusOK)
}

// s3Number reads a query parameter that is not negative.
func s3Number(q *s3Request, name string, otherwise int) (int, error) {
	v := q.query.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, s3InvalidArgument(name, v, "Provided "+name+" not an integer or within integer range")
	}
	return n, nil
}
