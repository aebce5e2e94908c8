package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/release"
)

// coldStart is the bootstrap of one release package: how large it is, and how
// long a new process takes, on this machine and with the clouds on loopback.
type coldStart struct {
	Name       string  `json:"name"`
	Zip        int64   `json:"zip_bytes"`
	Binary     int64   `json:"binary_bytes"`
	Runs       int     `json:"runs"`
	InitMedian float64 `json:"init_median_ms"` // to the first request for an invocation
	InitWorst  float64 `json:"init_worst_ms"`
	DoneMedian float64 `json:"done_median_ms"` // to the answer of the first, which copies an object
	DoneWorst  float64 `json:"done_worst_ms"`
}

// coldRuns are the processes measured of each package.
const coldRuns = 25

// coldPackage is a release package for Lambda, and a target for it.
type coldPackage struct {
	name, target string
	tags         []string
}

func coldPackages() []coldPackage {
	return []coldPackage{
		{"crossfade-s3", "gs://target", nil},
		{"crossfade-s3-to-gcs", "gs://target", []string{"noazure"}},
		{"crossfade-s3-to-azure", "az://target", []string{"nogcs"}},
		{"crossfade-s3-to-s3", "s3://target", []string{"nogcs", "noazure"}},
	}
}

// coldStarts builds and measures packages.
func coldStarts(ctx context.Context, packages []coldPackage, runs int) (all []coldStart, err error) {
	dir, err := os.MkdirTemp("", "crossfade-coldstart-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sim := newColdSim(dir)
	defer sim.close()
	for _, p := range packages {
		bin := filepath.Join(dir, p.name)
		if err := release.Build(ctx, bin, release.Options{Tags: p.tags}, "cmd/crossfade-s3"); err != nil {
			return nil, err
		}
		c := coldStart{Name: p.name, Runs: runs}
		if c.Binary, c.Zip, err = packageSizes(bin); err != nil {
			return nil, err
		}
		if err := sim.measure(ctx, &c, bin, p.target); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// packageSizes are those of a file as it is and in an archive.
func packageSizes(path string) (plain, zipped int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	var n counter
	z := zip.NewWriter(&n)
	w, err := z.Create("bootstrap")
	if err != nil {
		return 0, 0, err
	}
	if plain, err = io.Copy(w, f); err != nil {
		return 0, 0, err
	}
	return plain, int64(n), z.Close()
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// coldSim is the clouds, with one object on the source.
type coldSim struct {
	env     []string
	targets []*cloudsim.Bucket
	event   []byte
	stops   []func()
}

func newColdSim(home string) *coldSim {
	s3, gcs, azure := cloudsim.NewCore(nil), cloudsim.NewCore(nil), cloudsim.NewCore(nil)
	s := new(coldSim)
	for _, core := range []*cloudsim.Core{s3, gcs, azure} {
		s.targets = append(s.targets, core.CreateBucket("target", false))
	}
	source := s3.CreateBucket("source", false)
	source.Subscribe(func(c cloudsim.Change) { s.event, _ = cloudsim.S3Notification(c) })
	o := cloudsim.NewObject("key", bytes.Repeat([]byte("x"), 4096))
	o.ETag = fmt.Sprintf("%x", o.MD5)
	if _, err := source.Put(o, cloudsim.Origin{Operation: "PutObject"}, nil, nil); err != nil {
		panic(err) // no condition was made
	}
	serve := func(server *httptest.Server) string {
		s.stops = append(s.stops, server.Close)
		return server.URL
	}
	s.env = []string{
		"HOME=" + home, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_S3=" + serve(httptest.NewServer(cloudsim.NewS3(s3, cloudsim.S3Options{Credentials: map[string]string{"key": "secret"}}))),
		"STORAGE_EMULATOR_HOST=" + serve(httptest.NewServer(cloudsim.NewGCS(gcs, cloudsim.GCSOptions{}))),
		"AZURE_STORAGE_CONNECTION_STRING=" + cloudsim.AzureConnectionString(
			serve(httptest.NewServer(cloudsim.NewAzure(azure, cloudsim.AzureOptions{AccountKey: cloudsim.AzureAccountKey}))), "", ""),
		"CROSSFADE_SOURCE=s3://source",
	}
	return s
}

func (s *coldSim) close() {
	for _, stop := range s.stops {
		stop()
	}
}

// measure starts c.Runs processes, one after the other, each for one event. One
// more goes before, for the page cache.
func (s *coldSim) measure(ctx context.Context, c *coldStart, bin, target string) error {
	var inits, dones []float64
	for i := range c.Runs + 1 {
		for _, b := range s.targets {
			b.Delete("key", cloudsim.Origin{}, false, nil) //nolint:errcheck // it may not be there
		}
		var out bytes.Buffer
		f := lambdaapi.New(lambdaapi.Options{})
		f.Deploy(lambdaapi.Bootstrap{Path: bin, Env: append(s.env[:len(s.env):len(s.env)], "CROSSFADE_TARGET="+target), Stdout: &out, Stderr: &out})
		begin := time.Now()
		a, err := f.Invoke(ctx, s.event)
		took := time.Since(begin)
		f.Shutdown(0)
		if err != nil || a.Failed {
			return errors.Join(err, fmt.Errorf("the function answered %s\n%s", a.Payload, out.Bytes()))
		}
		if i > 0 {
			inits = append(inits, milliseconds(f.Stats().Inits[0]))
			dones = append(dones, milliseconds(took))
		}
	}
	c.InitMedian, c.InitWorst = median(inits), slices.Max(inits)
	c.DoneMedian, c.DoneWorst = median(dones), slices.Max(dones)
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// printColdStarts writes the table.
func printColdStarts(w io.Writer, all []coldStart) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n| cold start on Lambda, ms (%d runs)\t| zip MB\t| start to ready\t| worst\t| to first event done\t| worst\t|\n|---\t|---:\t|---:\t|---:\t|---:\t|---:\t|\n", all[0].Runs)
	for _, c := range all {
		fmt.Fprintf(w, "| %s\t| %.1f\t| %.0f\t| %.0f\t| %.0f\t| %.0f\t|\n", c.Name, float64(c.Zip)/1e6, c.InitMedian, c.InitWorst, c.DoneMedian, c.DoneWorst)
	}
}
