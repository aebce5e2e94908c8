// Package functest runs the main of a function as a process of its own, as its
// platform does, against three clouds in the test's process.
package functest

import (
	"os"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// Clouds are the three faces, each on a core of its own.
type Clouds struct {
	S3, GCS, Azure *cloudsim.Core

	env []string
}

// Who uses the S3 of Clouds, besides whom Env has credentials of: an application.
const (
	Role      = "arn:aws:iam::111122223333:role/crossfade" // of the credentials in Env
	AppKey    = "AKIAAPPLICATION"
	AppSecret = "application"
)

// NewClouds serves the clouds until the test ends.
func NewClouds(t testing.TB) *Clouds {
	t.Helper()
	c := &Clouds{S3: cloudsim.NewCore(nil), GCS: cloudsim.NewCore(nil), Azure: cloudsim.NewCore(nil)}
	s3, stop := cloudsim.Serve(cloudsim.NewS3(c.S3, cloudsim.S3Options{
		Credentials: map[string]string{"AKIAEXAMPLE": "example", AppKey: AppSecret},
		Principals:  map[string]string{"AKIAEXAMPLE": Role, AppKey: "arn:aws:iam::111122223333:role/app"},
	}))
	t.Cleanup(stop)
	gcs, stop := cloudsim.Serve(cloudsim.NewGCS(c.GCS, cloudsim.GCSOptions{}))
	t.Cleanup(stop)
	azure, stop := cloudsim.Serve(cloudsim.NewAzure(c.Azure, cloudsim.AzureOptions{AccountKey: cloudsim.AzureAccountKey}))
	t.Cleanup(stop)
	c.env = []string{
		"AWS_ENDPOINT_URL_S3=" + s3, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example",
		"AWS_EC2_METADATA_DISABLED=true",
		"STORAGE_EMULATOR_HOST=" + gcs,
		"AZURE_STORAGE_CONNECTION_STRING=" + cloudsim.AzureConnectionString(azure, "", ""),
	}
	return c
}

// Env is the environment in which the SDKs find the clouds, and nothing of the
// user's own set-up.
func (c *Clouds) Env(t testing.TB) []string {
	return append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, c.env...)
}
