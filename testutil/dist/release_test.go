package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/killtest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
	"github.com/crossfade-io/crossfade/testutil/release"
)

// One zip for Lambda and the one of sources, built twice.
func TestRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := []artifact{
		{name: "crossfade-s3-to-s3", cmd: "crossfade-s3", goos: "linux", goarch: "amd64", as: "bootstrap", most: lambdaMost, tags: []string{"nogcs", "noazure"}},
		{name: "crossfade-gcs", cmd: "crossfade-gcs", source: true},
	}
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	for _, out := range []string{first, second} {
		if err := assemble(t.Context(), list, "v1.2.3", out); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(first)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		a, b := read(t, filepath.Join(first, e.Name())), read(t, filepath.Join(second, e.Name()))
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", e.Name())
		}
	}
	t.Run("bill", func(t *testing.T) { checkBill(t, first, list) })
	t.Run("source", func(t *testing.T) { checkSource(t, filepath.Join(first, list[1].file())) })
}

// The host of Azure Functions starts what host.json names, and finds its trigger.
func TestAzurePackage(t *testing.T) {
	t.Parallel()
	for _, a := range artifacts() {
		if a.cmd != "crossfade-eventgrid" {
			continue
		}
		entries, err := filesIn(t.Context(), a.with)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]string{}
		for _, e := range entries {
			names[e.name] = e.from
		}
		if len(names) != 2 || names["changes/function.json"] == "" || names["host.json"] == "" {
			t.Fatalf("%v", names)
		}
		var host struct {
			CustomHandler struct {
				Description struct {
					Path string `json:"defaultExecutablePath"`
				} `json:"description"`
			} `json:"customHandler"`
		}
		if err := json.Unmarshal(read(t, names["host.json"]), &host); err != nil || host.CustomHandler.Description.Path != a.as {
			t.Errorf("the host starts %q, and the binary is %q: %v", host.CustomHandler.Description.Path, a.as, err)
		}
		if a.file() != "crossfade-eventgrid_linux_"+a.goarch+".zip" {
			t.Errorf("file %s", a.file())
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkBill(t *testing.T, dir string, list []artifact) {
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(read(t, filepath.Join(dir, billFile))), cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	components := map[string]cyclonedx.Component{}
	for _, c := range *bom.Components {
		components[c.BOMRef] = c
	}
	needs := map[string]string{}
	for _, d := range *bom.Dependencies {
		for _, ref := range *d.Dependencies {
			if _, ok := components[ref]; !ok {
				t.Errorf("%s needs %s, which is not in the bill", d.Ref, ref)
			}
		}
		needs[d.Ref] = strings.Join(*d.Dependencies, " ")
	}
	for _, a := range list {
		sum, err := sha256Of(filepath.Join(dir, a.file()))
		if err != nil {
			t.Fatal(err)
		}
		c := components["file:"+a.file()]
		if c.Hashes == nil || (*c.Hashes)[0].Value != sum || len(sum) != hex.EncodedLen(32) {
			t.Errorf("the bill says of %s: %+v", a.file(), c)
		}
	}
	s3, source := needs["file:"+list[0].file()], needs["file:"+list[1].file()]
	for _, c := range []struct {
		in, module string
		want       bool
	}{
		{s3, "pkg:golang/std@go", true},
		{s3, "pkg:golang/github.com/aws/aws-lambda-go@v", true},
		{s3, "pkg:golang/cloud.google.com/go/storage@", false},
		{s3, "pkg:golang/github.com/Azure/", false},
		{source, "pkg:golang/cloud.google.com/go/storage@v", true},
		{source, "pkg:golang/github.com/GoogleCloudPlatform/functions-framework-go@v", true},
		{source, "pkg:golang/github.com/aws/aws-lambda-go@v", false},
	} {
		if strings.Contains(c.in, c.module) != c.want {
			t.Errorf("%s: want %v in %s", c.module, c.want, c.in)
		}
	}
}

// buildpackMain is what the buildpack of Cloud Run functions adds to a vendored
// function that registers itself.
const buildpackMain = `package main

import (
	"log"
	"os"

	_ "github.com/crossfade-io/crossfade"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

func main() {
	if err := funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")); err != nil {
		log.Fatal(err)
	}
}
`

// The zip of sources is built without a network, and served, as Cloud Run does.
func checkSource(t *testing.T, path string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	unpack(t, path, dir)
	app := filepath.Join(dir, "functions.local", "app")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "main.go"), []byte(buildpackMain), 0o644); err != nil {
		t.Fatal(err)
	}
	goTool := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		// The flags of a release spare compiling everything again.
		cmd.Env = append(os.Environ(), "GOPROXY=off", "CGO_ENABLED=0", "GOWORK=off",
			"GOFLAGS=-mod=vendor -trimpath -buildvcs=false -tags="+release.Tags)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	// The buildpack asks for the module, and for the one package at its root.
	if got := goTool("list", "-m"); got != "github.com/crossfade-io/crossfade" {
		t.Errorf("module %s", got)
	}
	if got := goTool("list", "-f", "{{.Name}}", "."); got != "function" {
		t.Errorf("package %s", got)
	}
	goTool("vet", ".")
	goTool("build", "-o", "main", "./functions.local/app")
	serveSource(ctx, t, filepath.Join(dir, "main"))
}

func serveSource(ctx context.Context, t *testing.T, program string) {
	clouds := functest.NewClouds(t)
	source := clouds.GCS.CreateBucket("photos", false)
	target := clouds.S3.CreateBucket("copy", false)
	p := killtest.Start(t, append(clouds.Env(t), "FUNCTION_TARGET=Crossfade", "PORT=1"), nil, program)
	if code := p.ExitCode(); code != 2 || !strings.Contains(p.Stderr.Tail(), "crossfade-gcs: CROSSFADE_SOURCE is not set") {
		t.Errorf("without a configuration: exit code %d, %s", code, p.Stderr.Tail())
	}

	addr := "127.0.0.1:" + functest.FreePort(t)
	_, port, _ := net.SplitHostPort(addr)
	p = killtest.Start(t, append(clouds.Env(t), "FUNCTION_TARGET=Crossfade", "PORT="+port, "CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://copy"), nil, program)
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case <-p.Done():
			t.Fatalf("the function has ended: %s", p.Stderr.Tail())
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	var events []cloudsim.Document
	source.Subscribe(func(c cloudsim.Change) { events = append(events, cloudsim.GCSDocuments(c)...) })
	if _, err := source.Put(cloudsim.NewObject("a b", []byte("body")), cloudsim.Origin{Operation: "objects.insert"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", bytes.NewReader(e.Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = e.Header
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", res.StatusCode, p.Stdout.Tail())
		}
	}
	if o := target.Get("a b"); len(events) != 1 || o == nil || string(o.Body) != "body" {
		t.Errorf("after %d events the target has %+v", len(events), o)
	}
	if out := p.Stdout.Tail(); !strings.Contains(out, fmt.Sprintf("%q:%q", "crossfade", "v1.2.3")) {
		t.Errorf("the log does not name the version: %s", out)
	}
}

func unpack(t *testing.T, path, dir string) {
	t.Helper()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range r.File {
		src, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(src)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, f.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}
