package cloudsim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// marker returns the delete marker that is the newest version of name, or nil.
func (b *Bucket) marker(name string) *Object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	h := b.history[name]
	if b.current[name] != nil || len(h) == 0 || !h[len(h)-1].DeleteMarker {
		return nil
	}
	return h[len(h)-1]
}

// versions returns all versions of the names with prefix that are not less than
// from, by name and newest first. It sorts all names: for buckets in tests.
func (b *Bucket) versions(prefix, from string) []*Object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	names := map[string]bool{}
	for _, n := range slices.Concat(slices.Collect(maps.Keys(b.current)), slices.Collect(maps.Keys(b.history))) {
		if strings.HasPrefix(n, prefix) && n >= from {
			names[n] = true
		}
	}
	var all []*Object
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if o := b.current[n]; o != nil {
			all = append(all, o)
		}
		for _, o := range slices.Backward(b.history[n]) {
			all = append(all, o)
		}
	}
	return all
}

func (f *s3Face) listObjectVersions(q *s3Request) error {
	p, err := s3ReadPage(q)
	if err != nil {
		return err
	}
	if p.delimiter != "" {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "delimiter is not implemented for versions")
	}
	keyMarker, versionMarker := q.query.Get("key-marker"), q.query.Get("version-id-marker")
	all := q.bucket.versions(p.prefix, keyMarker)
	start := len(all)
	for i, o := range all {
		if o.Name > keyMarker || keyMarker == "" {
			start = i
			break
		}
		if versionMarker != "" && o.VersionID() == versionMarker {
			start = i + 1
			break
		}
	}
	page := all[start:]
	truncated := len(page) > p.maxKeys
	if truncated {
		page = page[:p.maxKeys]
	}

	var x s3XML
	x.open("ListVersionsResult")
	x.element("Name", q.bucket.Name)
	x.element("Prefix", p.encode(p.prefix))
	x.element("KeyMarker", p.encode(keyMarker))
	x.element("VersionIdMarker", versionMarker)
	x.number("MaxKeys", int64(p.maxKeys))
	x.element("IsTruncated", boolText(truncated))
	if p.url {
		x.element("EncodingType", "url")
	}
	if truncated && len(page) > 0 {
		x.element("NextKeyMarker", p.encode(page[len(page)-1].Name))
		x.element("NextVersionIdMarker", s3VersionID(q.bucket, page[len(page)-1]))
	}
	for i, o := range page {
		latest := start+i == 0 || all[start+i-1].Name != o.Name
		name := "Version"
		if o.DeleteMarker {
			name = "DeleteMarker"
		}
		x.begin(name)
		x.element("Key", p.encode(o.Name))
		x.element("VersionId", s3VersionID(q.bucket, o))
		x.element("IsLatest", boolText(latest))
		x.time("LastModified", s3Time(o))
		if !o.DeleteMarker {
			x.etag(s3ETag(o))
			x.number("Size", int64(len(o.Body)))
			x.element("StorageClass", s3ClassOf(o))
		}
		x.close(name)
	}
	x.close("ListVersionsResult")
	return x.send(q, http.StatusOK)
}

// s3VersionID is "null" in buckets without versions.
func s3VersionID(b *Bucket, o *Object) string {
	if !b.Versioned {
		return "null"
	}
	return o.VersionID()
}

func s3ClassOf(o *Object) string {
	if o.StorageClass == "" {
		return "STANDARD"
	}
	return o.StorageClass
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
