package cloudsim

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

// startUpload begins an upload of /b/k and returns the path with its id.
func (c *s3Client) startUpload(headers ...string) string {
	c.t.Helper()
	a := c.want(200, "", "POST", "/b/k?uploads", "", headers...)
	var x struct{ UploadId string }
	if err := xml.Unmarshal([]byte(a.body), &x); err != nil || x.UploadId == "" {
		c.t.Fatalf("%v: %s", err, a.body)
	}
	return "/b/k?uploadId=" + x.UploadId
}

func completion(parts ...string) string {
	return "<CompleteMultipartUpload>" + strings.Join(parts, "") + "</CompleteMultipartUpload>"
}

func partXML(n int, body string, more ...string) string {
	return fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag>%s</Part>", n, md5Hex(body), strings.Join(more, ""))
}

func TestS3Completion(t *testing.T) {
	t.Parallel()
	const least = 64 << 10 // of parts, in place of 5 MiB
	big, small := strings.Repeat("x", least), "tail"
	whole := s3ChecksumOf("CRC32C", []byte(big+small)).value
	full := []string{"x-amz-checksum-algorithm: CRC32C", "x-amz-checksum-type: FULL_OBJECT"}
	both := completion(partXML(1, big), partXML(7, small))
	for _, tc := range []struct {
		name    string
		create  []string
		body    string
		headers []string
		status  int
		code    string
	}{
		{"plain", nil, both, nil, 200, ""},
		{"full checksum", full, both, []string{"x-amz-checksum-crc32c: " + whole, "x-amz-checksum-type: FULL_OBJECT"}, 200, ""},
		{"wrong full checksum", full, both, []string{"x-amz-checksum-crc32c: AAAAAA=="}, 400, "BadDigest"},
		{"other algorithm", full, both, []string{"x-amz-checksum-crc32: AAAAAA=="}, 400, "InvalidRequest"},
		{"other type", full, both, []string{"x-amz-checksum-type: COMPOSITE"}, 400, "InvalidRequest"},
		{"right size", nil, both, []string{"x-amz-mp-object-size: " + fmt.Sprint(len(big)+4)}, 200, ""},
		{"wrong size", nil, both, []string{"x-amz-mp-object-size: 5"}, 400, "InvalidRequest"},
		{"absent", nil, both, []string{"If-None-Match: *"}, 412, "PreconditionFailed"},
		{"match", nil, both, []string{"If-Match: " + md5Hex("old")}, 200, ""},
		{"stale", nil, both, []string{"If-Match: " + md5Hex("older")}, 412, "PreconditionFailed"},
		{"order", nil, completion(partXML(7, small), partXML(1, big)), nil, 400, "InvalidPartOrder"},
		{"twice", nil, completion(partXML(1, big), partXML(1, big)), nil, 400, "InvalidPartOrder"},
		{"unknown part", nil, completion(partXML(1, big), partXML(2, small)), nil, 400, "InvalidPart"},
		{"wrong ETag", nil, completion(partXML(1, small)), nil, 400, "InvalidPart"},
		{"too small", nil, completion(partXML(3, "small"), partXML(7, small)), nil, 400, "EntityTooSmall"},
		{"small alone", nil, completion(partXML(7, small)), nil, 200, ""},
		{"none", nil, completion(), nil, 400, "MalformedXML"},
		{"no XML", nil, "parts", nil, 400, "MalformedXML"},
		{"part checksum", full, completion(partXML(7, small, "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>")), nil, 400, "InvalidPart"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			opts := S3Options{MinPartBytes: least}
			if tc.name == "too small" {
				opts = S3Options{}
			}
			c := newS3Client(t, opts)
			c.want(200, "", "PUT", "/b/k", "old")
			path := c.startUpload(tc.create...)
			c.want(200, "", "PUT", path+"&partNumber=1", big)
			c.want(200, "", "PUT", path+"&partNumber=7", small)
			c.want(200, "", "PUT", path+"&partNumber=3", "small")
			c.want(tc.status, tc.code, "POST", path, tc.body, tc.headers...)
			a := c.do("GET", "/b/k", "", "x-amz-checksum-mode: ENABLED")
			if tc.status != 200 {
				if a.body != "old" {
					t.Errorf("k changed")
				}
				c.want(200, "", "GET", path, "") // the upload is still there
				c.want(204, "", "DELETE", path, "")
			}
			c.want(404, "NoSuchUpload", "GET", path, "")
			if tc.name == "full checksum" && (a.header.Get("x-amz-checksum-crc32c") != whole || !strings.HasSuffix(a.header.Get("ETag"), `-2"`)) {
				t.Errorf("read back: %v", a.header)
			}
		})
	}
}

func TestS3CompositeChecksum(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	path := c.startUpload("x-amz-checksum-algorithm: SHA256")
	c.want(400, "InvalidRequest", "PUT", path+"&partNumber=1", "tail")
	sum := s3ChecksumOf("SHA256", []byte("tail")).value
	c.want(200, "", "PUT", path+"&partNumber=1", "tail", "x-amz-checksum-sha256: "+sum)
	c.want(400, "InvalidRequest", "POST", path, completion(partXML(1, "tail")))
	c.want(200, "", "POST", path, completion(partXML(1, "tail", "<ChecksumSHA256>"+sum+"</ChecksumSHA256>")))
	a := c.do("HEAD", "/b/k", "", "x-amz-checksum-mode: ENABLED")
	if v := a.header.Get("x-amz-checksum-sha256"); !strings.HasSuffix(v, "-1") || a.header.Get("x-amz-checksum-type") != "COMPOSITE" {
		t.Errorf("%v", a.header)
	}
	c.want(400, "InvalidRequest", "POST", "/b/k?uploads", "", "x-amz-checksum-algorithm: SHA256", "x-amz-checksum-type: FULL_OBJECT")
	c.want(400, "InvalidRequest", "POST", "/b/k?uploads", "", "x-amz-checksum-algorithm: CRC64NVME", "x-amz-checksum-type: COMPOSITE")
}

func TestS3PartCopyAndListings(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	c.want(200, "", "PUT", "/b/src", "0123456789")
	path := c.startUpload()
	c.want(200, "", "PUT", path+"&partNumber=1", "", "x-amz-copy-source: b/src", "x-amz-copy-source-range: bytes=2-4")
	c.want(412, "PreconditionFailed", "PUT", path+"&partNumber=2", "", "x-amz-copy-source: b/src", "x-amz-copy-source-if-match: x")
	c.want(400, "InvalidArgument", "PUT", path+"&partNumber=2", "", "x-amz-copy-source: b/src", "x-amz-copy-source-range: bytes=2-40")
	c.want(400, "InvalidArgument", "PUT", path+"&partNumber=0", "x")
	c.want(400, "InvalidArgument", "PUT", path+"&partNumber=10001", "x")
	for n := 2; n < 5; n++ {
		c.want(200, "", "PUT", fmt.Sprint(path, "&partNumber=", n), "x")
	}
	a := c.do("GET", path+"&max-parts=2&part-number-marker=1", "")
	for _, want := range []string{"<PartNumber>2<", "<PartNumber>3<", "<IsTruncated>true<", "<NextPartNumberMarker>3<"} {
		if !strings.Contains(a.body, want) || strings.Contains(a.body, "<PartNumber>1<") {
			t.Errorf("parts lack %s: %s", want, a.body)
		}
	}
	if a := c.do("GET", "/b?uploads&prefix=k", ""); strings.Count(a.body, "<Upload>") != 1 {
		t.Errorf("uploads: %s", a.body)
	}
	if a := c.do("GET", "/b?uploads&prefix=z", ""); strings.Count(a.body, "<Upload>") != 0 {
		t.Errorf("uploads: %s", a.body)
	}
	c.want(200, "", "POST", path, completion(partXML(1, "234")))
	if a := c.do("GET", "/b/k", ""); a.body != "234" {
		t.Errorf("k holds %q", a.body)
	}
}

func TestS3Listing(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	for _, k := range []string{"a", "a/b", "a/c", "a0", "b/c/d", "b/e", "z\x01", "\U0001F600", "\uff5e", "p+q r"} {
		if _, err := c.core.Bucket("b").Put(NewObject(k, []byte(k)), Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	list := func(query string) (keys, prefixes []string, token string) {
		t.Helper()
		a := c.want(200, "", "GET", "/b?list-type=2&encoding-type=url&"+query, "")
		var x struct {
			Contents              []struct{ Key string }
			CommonPrefixes        []struct{ Prefix string }
			NextContinuationToken string
		}
		if err := xml.Unmarshal([]byte(a.body), &x); err != nil {
			t.Fatal(err)
		}
		for _, o := range x.Contents {
			keys = append(keys, o.Key)
		}
		for _, p := range x.CommonPrefixes {
			prefixes = append(prefixes, p.Prefix)
		}
		return keys, prefixes, x.NextContinuationToken
	}
	check := func(query, wantKeys, wantPrefixes string) {
		t.Helper()
		keys, prefixes, _ := list(query)
		if k, p := strings.Join(keys, " "), strings.Join(prefixes, " "); k != wantKeys || p != wantPrefixes {
			t.Errorf("%s: keys %q prefixes %q, want %q and %q", query, k, p, wantKeys, wantPrefixes)
		}
	}
	check("", "a a/b a/c a0 b/c/d b/e p%2Bq+r z%01 %EF%BD%9E %F0%9F%98%80", "")
	check("prefix=a/", "a/b a/c", "")
	check("start-after=a/b&prefix=a", "a/c a0", "")
	check("delimiter=/", "a a0 p%2Bq+r z%01 %EF%BD%9E %F0%9F%98%80", "a/ b/")
	check("delimiter=/&prefix=b/", "b/e", "b/c/")
	check("delimiter=/&start-after=a/b&max-keys=2", "a0", "a/")
	check("max-keys=0", "", "")

	// Every page size gives the same whole, with and without delimiter.
	for _, delimiter := range []string{"", "delimiter=/&"} {
		allKeys, allPrefixes, _ := list(delimiter)
		for size := 1; size < 12; size++ {
			var keys, prefixes []string
			token := ""
			for range 12 {
				query := fmt.Sprint(delimiter, "max-keys=", size)
				if token != "" {
					query += "&continuation-token=" + token
				}
				k, p, next := list(query)
				if len(k)+len(p) > size {
					t.Errorf("page of %d has %d entries", size, len(k)+len(p))
				}
				keys, prefixes, token = append(keys, k...), append(prefixes, p...), next
				if token == "" {
					break
				}
			}
			if fmt.Sprint(keys, prefixes) != fmt.Sprint(allKeys, allPrefixes) {
				t.Errorf("%spages of %d: %q %q", delimiter, size, keys, prefixes)
			}
		}
	}
	// Without the encoding the document is no XML, as on S3.
	if a := c.do("GET", "/b?list-type=2", ""); xml.Unmarshal([]byte(a.body), new(struct{ Name string })) == nil {
		t.Error("a listing with control characters could be read")
	}
	c.want(400, "InvalidArgument", "GET", "/b?list-type=2&continuation-token=no", "")
	c.want(400, "InvalidArgument", "GET", "/b?list-type=2&max-keys=-1", "")
	c.want(400, "InvalidArgument", "GET", "/b?list-type=2&encoding-type=base64", "")
	c.want(501, "NotImplemented", "GET", "/b", "")
}

func TestS3DeleteObjects(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	c.want(200, "", "PUT", "/b/one", "1")
	c.want(200, "", "PUT", "/b/two", "2")
	body := "<Delete><Object><Key>one</Key></Object><Object><Key>two</Key><ETag>stale</ETag></Object><Object><Key>none</Key></Object></Delete>"
	c.want(400, "InvalidRequest", "POST", "/b?delete", body)
	a := c.want(200, "", "POST", "/b?delete", body, "Content-MD5: "+md5Base64(body))
	for _, want := range []string{"<Deleted><Key>one</Key></Deleted>", "<Code>PreconditionFailed</Code>", "<Deleted><Key>none</Key></Deleted>"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("answer lacks %s: %s", want, a.body)
		}
	}
	if b := c.core.Bucket("b"); b.Len() != 1 || b.Get("two") == nil {
		t.Error("wrong objects deleted")
	}
}
