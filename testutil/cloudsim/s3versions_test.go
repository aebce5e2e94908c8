package cloudsim

import (
	"strings"
	"testing"
)

func TestS3Versions(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	v1 := c.want(200, "", "PUT", "/v/k", "one").header.Get("x-amz-version-id")
	v2 := c.want(200, "", "PUT", "/v/k", "two").header.Get("x-amz-version-id")
	if v1 == "" || v1 == v2 {
		t.Fatalf("versions %q and %q", v1, v2)
	}
	if a := c.do("GET", "/v/k?versionId="+v1, ""); a.body != "one" || a.header.Get("x-amz-version-id") != v1 {
		t.Errorf("%+v", a)
	}
	d := c.want(204, "", "DELETE", "/v/k", "")
	marker := d.header.Get("x-amz-version-id")
	if d.header.Get("x-amz-delete-marker") != "true" || marker == "" {
		t.Errorf("delete: %v", d.header)
	}
	if a := c.want(404, "NoSuchKey", "GET", "/v/k", ""); a.header.Get("x-amz-delete-marker") != "true" {
		t.Errorf("get behind a marker: %v", a.header)
	}
	c.want(405, "MethodNotAllowed", "GET", "/v/k?versionId="+marker, "")
	c.want(404, "NoSuchVersion", "GET", "/v/k?versionId=zzzz", "")
	c.want(400, "InvalidArgument", "GET", "/v/k?versionId=-!", "")
	c.want(200, "", "PUT", "/v/k", "three", "If-None-Match: *")
	list := c.do("GET", "/v?versions", "").body
	for _, want := range []string{"<DeleteMarker>", "<VersionId>" + v1, "<VersionId>" + v2, "<IsLatest>true"} {
		if !strings.Contains(list, want) {
			t.Errorf("versions lack %s: %s", want, list)
		}
	}
	c.want(204, "", "DELETE", "/v/k", "")
	back := c.do("GET", "/v?versions&max-keys=1", "")
	if !strings.Contains(back.body, "<IsTruncated>true") {
		t.Errorf("page: %s", back.body)
	}
	last := c.core.Bucket("v").marker("k").VersionID()
	if a := c.want(204, "", "DELETE", "/v/k?versionId="+last, ""); a.header.Get("x-amz-delete-marker") != "true" {
		t.Errorf("removal of a marker: %v", a.header)
	}
	if a := c.do("GET", "/v/k", ""); a.body != "three" {
		t.Errorf("without its marker k holds %q", a.body)
	}
}
