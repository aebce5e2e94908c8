//go:build servers

package servertest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"mime"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// realFiles returns a few hundred real files with the keys they are stored
// under: sources of this repository, and of Go's standard library code, images
// and compressed test data.
func realFiles(t *testing.T) map[string]object {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	goroot := filepath.Join(strings.TrimSpace(string(out)), "src")
	all := map[string]object{}
	for name, dir := range map[string]string{
		"crossfade/store":     "../../store",
		"crossfade/replicate": "../../replicate",
		"go/image":            filepath.Join(goroot, "image"),
		"go/archive":          filepath.Join(goroot, "archive"),
		"go/compress":         filepath.Join(goroot, "compress"),
	} {
		addTree(t, all, name, dir)
	}
	if len(all) < 200 {
		t.Fatalf("only %d real files found", len(all))
	}
	return all
}

func addTree(t *testing.T, all map[string]object, name, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		key := path.Join(name, filepath.ToSlash(rel))
		all[key] = object{body: body, contentType: typeOf(key), metadata: map[string]string{"origin": name}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func typeOf(key string) string {
	if t := mime.TypeByExtension(path.Ext(key)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// specialFiles are objects that are easily damaged on the way: odd keys that
// all three services can hold, every attribute, an encoded body, an empty one,
// and one that goes up in parts.
func specialFiles(t *testing.T) map[string]object {
	t.Helper()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, strings.Repeat("compress me ", 1000))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 20<<20+12345)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(large) // never fails

	plain := "application/octet-stream"
	all := map[string]object{
		"special/empty":       {contentType: plain},
		"special/large.bin":   {body: large, contentType: plain},
		"special/page.txt.gz": {body: zipped.Bytes(), contentType: "text/plain", encoding: "gzip", cacheControl: "no-transform"},
		"special/stored.html": {body: zipped.Bytes(), contentType: "text/html", encoding: "gzip"},
		"special/attributes": {
			body: []byte("x"), contentType: "text/plain; charset=utf-8", cacheControl: "public, max-age=3600",
			disposition: `attachment; filename="a b.txt"`, language: "de-CH",
			metadata: map[string]string{"owner": "someone", "mode": "0644", "sentence": "with, punctuation; and = signs"},
		},
	}
	for _, key := range []string{
		"a b+c", "a%2Fb", "100%", "a&b=c?d#e", "caf\u00e9", "cafe\u0301", "\U0001F600.png", "日本語/テスト.txt",
		"<xml>&amp;\"quotes\"'", "*[glob]{a,b}~^`|", ".hidden", "CON", "UPPER", "upper", "semi;colon,comma:colon@at$!()",
		strings.Repeat("long/", 40) + "name",
	} {
		all["keys/"+key] = object{body: []byte("body of " + key), contentType: plain}
	}
	return all
}

// sortedKeys returns the keys in byte order.
func sortedKeys(m map[string]object) []string { return slices.Sorted(maps.Keys(m)) }
