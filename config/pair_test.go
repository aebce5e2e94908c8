package config

import "testing"

func TestIDs(t *testing.T) {
	t.Parallel()
	for _, row := range [][4]string{
		{"s3://aaa", "gs://aaa", "s3://aaa/", "gs://aaa/"},
		{"s3://aaa?endpoint=http://127.0.0.1:9000", "s3://bbb", "s3://aaa/", "s3://bbb/"},
		{"s3://aaa/p?endpoint=http://127.0.0.1:9000", "s3://aaa/p", "s3://aaa/p/?endpoint=127.0.0.1:9000", "s3://aaa/p/"},
		{"https://one.blob.core.windows.net/ccc", "https://two.blob.core.windows.net/ccc", "az://ccc/?endpoint=one.blob.core.windows.net", "az://ccc/?endpoint=two.blob.core.windows.net"},
	} {
		src, err := ParseLocation(row[0])
		if err != nil {
			t.Fatal(err)
		}
		dst, err := ParseLocation(row[1])
		if err != nil {
			t.Fatal(err)
		}
		if s, d := IDs(src, dst); s != row[2] || d != row[3] {
			t.Errorf("%s to %s: %s and %s", row[0], row[1], s, d)
		}
		// The other direction, as after a cutover, has the same names.
		if d, s := IDs(dst, src); s != row[2] || d != row[3] {
			t.Errorf("back from %s to %s: %s and %s", row[1], row[0], d, s)
		}
	}
}
