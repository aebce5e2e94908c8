package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

func TestMain(m *testing.M) { functest.Main(m, main) }

// The custom handler, called on the port that the Functions host gives it,
// follows a container into GCS, and ends in order when it is told to.
func TestCustomHandler(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clouds := functest.NewClouds(t)
	source := clouds.Azure.CreateBucket("photos", false)
	target := clouds.GCS.CreateBucket("photos-copy", false)
	topic := cloudsim.AzureTopic(cloudsim.AzureAccount)
	var docs [][]byte
	source.Subscribe(func(c cloudsim.Change) {
		if doc, ok := cloudsim.EventGridEvents(c, topic); ok {
			docs = append(docs, doc)
		}
		if doc, ok := cloudsim.EventGridCloudEvent(c, topic); ok {
			docs = append(docs, doc)
		}
	})
	port := functest.FreePort(t)
	p := functest.Start(t, append(clouds.Env(t), "FUNCTIONS_CUSTOMHANDLER_PORT="+port, "PORT=1",
		"CROSSFADE_SOURCE=az://photos/in", "CROSSFADE_TARGET=gs://photos-copy"))
	addr := "127.0.0.1:" + port
	if err := p.Listening(ctx, addr); err != nil {
		t.Fatal(err)
	}
	post := func(body []byte) int {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/crossfade", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Aeg-Event-Type", "Notification")
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if _, err := source.Put(cloudsim.NewObject("in/a b+c %#?", []byte("one")), cloudsim.Origin{Operation: "PutBlob"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, doc := range docs { // in both schemas
		if status := post(doc); status != 200 {
			t.Errorf("status %d for %s", status, doc)
		}
	}
	if o := target.Get("a b+c %#?"); len(docs) != 2 || o == nil || string(o.Body) != "one" {
		t.Errorf("%d documents; on the target: %+v", len(docs), o)
	}
	for what, alien := range map[string][2]string{
		"another account":   {"storageAccounts/" + cloudsim.AzureAccount, "storageAccounts/other"},
		"another container": {"containers/photos/", "containers/other/"},
	} {
		if status := post(bytes.ReplaceAll(docs[0], []byte(alien[0]), []byte(alien[1]))); status != 400 {
			t.Errorf("%s: status %d", what, status)
		}
	}
	if _, _, err := source.Delete("in/a b+c %#?", cloudsim.Origin{Operation: "DeleteBlob"}, false, nil); err != nil {
		t.Fatal(err)
	}
	if status := post(docs[len(docs)-1]); status != 200 || target.Len() != 0 {
		t.Errorf("delete: status %d, %d objects left", status, target.Len())
	}
	p.Terminate(t)
	if code := p.Exit(ctx, t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	clouds := functest.NewClouds(t)
	clouds.Azure.CreateBucket("photos", false)
	clouds.S3.CreateBucket("copy", false)
	for _, c := range []struct {
		name string
		env  []string
		code int
		want string
	}{
		{"nothing set", nil, 2, "CROSSFADE_SOURCE is not set"},
		{"source of another cloud", []string{"CROSSFADE_SOURCE=s3://copy", "CROSSFADE_TARGET=az://photos"}, 2, "this function gets the events of az:// stores"},
		{"no such container", []string{"CROSSFADE_SOURCE=az://absent", "CROSSFADE_TARGET=s3://copy"}, 1, "CROSSFADE_SOURCE: checking az://absent/"},
		{"no time span", []string{"CROSSFADE_SOURCE=az://photos", "CROSSFADE_TARGET=s3://copy", "AzureFunctionsJobHost__functionTimeout=5m"}, 2, `AzureFunctionsJobHost__functionTimeout is "5m": want hh:mm:ss`},
		{"no such port", []string{"CROSSFADE_SOURCE=az://photos", "CROSSFADE_TARGET=s3://copy", "PORT=99999"}, 1, "crossfade-eventgrid: listen tcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p := functest.Start(t, append(clouds.Env(t), c.env...))
			if code := p.Exit(ctx, t); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(p.Stderr(), c.want) {
				t.Errorf("standard error %q, want %q", p.Stderr(), c.want)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url  string
		env  map[string]string
		want string
	}{
		{"https://Acct.blob.core.windows.net/photos/in", map[string]string{"AZURE_STORAGE_ACCOUNT": "other"}, "acct"},
		{"az://photos", map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https; AccountName=Mine ;AccountKey=a==;", "AZURE_STORAGE_ACCOUNT": "other"}, "mine"},
		{"az://photos", map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://x/;SharedAccessSignature=s", "AZURE_STORAGE_ACCOUNT": "named"}, "named"},
		{"az://photos", nil, ""},
	} {
		l, err := config.ParseLocation(c.url)
		if err != nil {
			t.Fatal(err)
		}
		got := l.Account(func(name string) (string, bool) { v, ok := c.env[name]; return v, ok })
		if got != c.want {
			t.Errorf("%s, %v: %q, want %q", c.url, c.env, got, c.want)
		}
	}
}

func TestFunctionTimeout(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"": 5 * time.Minute, "00:10:00": 10 * time.Minute, "1:00:30": time.Hour + 30*time.Second, "-1": 0,
		"00:00:00": -1, "10": -1, "-00:01:00": -1, "1.00:00:00": -1, "10m": -1,
	} {
		got, err := functionTimeout(func(name string) (string, bool) {
			return s, name == "AzureFunctionsJobHost__functionTimeout"
		})
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %s, %v; want %s", s, got, err, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, nil, nil, &out, io.Discard); code != 0 || out.String() != "crossfade-eventgrid dev\n" {
		t.Errorf("%d, %q", code, out.String())
	}
}
