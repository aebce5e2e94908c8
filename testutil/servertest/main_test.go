//go:build servers

package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/crossfade-io/crossfade/testutil/release"
	"github.com/crossfade-io/crossfade/testutil/servers"
)

// What TestMain starts once for all tests.
var (
	clouds map[string]cloud // by scheme: s3, gs, az
	binary string           // the crossfade under test
	queues *sqs.Client      // of the SQS server
)

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "servertest:", err)
		code = 1
	}
	os.Exit(code)
}

// runAll starts everything, runs the tests, and stops everything. The servers'
// directory with their logs stays when a test failed.
func runAll(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "crossfade-servers-")
	if err != nil {
		return 1, err
	}
	var stops []func() error
	defer func() {
		for _, stop := range stops {
			err = errors.Join(err, stop())
		}
		if code != 0 || err != nil {
			fmt.Fprintln(os.Stderr, "servertest: the servers' logs are in", dir)
			return
		}
		err = os.RemoveAll(dir)
	}()

	binary = filepath.Join(dir, "crossfade")
	if err := release.Build(ctx, binary, release.Options{}, "cmd/crossfade"); err != nil {
		return 1, err
	}

	s3, err := servers.Versitygw(ctx, servers.Options{Dir: dir})
	if err != nil {
		return 1, err
	}
	stops = append(stops, s3.Stop)
	gcs, err := servers.FakeGCS(ctx, servers.Options{Dir: dir})
	if err != nil {
		return 1, err
	}
	stops = append(stops, gcs.Stop)
	azure, err := servers.Azurite(ctx, servers.Options{Dir: dir})
	if err != nil {
		return 1, err
	}
	stops = append(stops, azure.Stop)
	queue, err := servers.SQS(ctx, servers.Options{Dir: dir})
	if err != nil {
		return 1, err
	}
	stops = append(stops, queue.Stop)

	// The environment that each cloud's own tools use, for the drivers in this
	// process and for the binary. Nothing of the caller's may leak in.
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": servers.S3AccessKey, "AWS_SECRET_ACCESS_KEY": servers.S3SecretKey,
		"AWS_REGION": servers.S3Region, "AWS_ENDPOINT_URL_S3": s3.URL, "AWS_ENDPOINT_URL_SQS": queue.URL,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"STORAGE_EMULATOR_HOST":           gcs.URL,
		"AZURE_STORAGE_CONNECTION_STRING": servers.AzureConnectionString(azure.URL),
	} {
		if err := os.Setenv(k, v); err != nil {
			return 1, err
		}
	}
	for _, k := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_ACCOUNT"} {
		if err := os.Unsetenv(k); err != nil {
			return 1, err
		}
	}
	if clouds, err = newClouds(ctx, s3.URL, gcs.URL, azure.URL); err != nil {
		return 1, err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return 1, err
	}
	queues = sqs.NewFromConfig(cfg)
	return m.Run(), nil
}
