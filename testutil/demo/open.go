package demo

import (
	"context"
	"net/http"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"google.golang.org/api/option"

	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// The clients are made here, not by the drivers from the environment, so that
// nothing of the user's own set-up has a say, and both ends may be the same
// cloud. The application and crossfade have a client each.

func (e *End) openS3(_ context.Context, url string) error {
	client := func() *awss3.Client {
		return awss3.NewFromConfig(aws.Config{
			BaseEndpoint: &url,
			Region:       "us-east-1",
			HTTPClient:   &http.Client{Transport: newTransport()},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
			}),
			// As config.LoadDefaultConfig has them.
			RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
			ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		}, func(o *awss3.Options) { o.UsePathStyle = true })
	}
	e.Store = s3.New(client(), e.Bucket.Name, "", s3.Options{})
	e.app = &demoapp.S3{Client: client(), Bucket: e.Bucket.Name}
	return nil
}

func (e *End) openGCS(ctx context.Context, url string) error {
	ours, err := gcs.NewClient(ctx, gcs.ClientOptions{Endpoint: url, Anonymous: true})
	if err != nil {
		return err
	}
	e.onClose(ours.Close)
	e.Store = gcs.New(ours, e.Bucket.Name, "", gcs.Options{})
	theirs, err := storage.NewClient(ctx, option.WithEndpoint(url+"/storage/v1/"), option.WithoutAuthentication(),
		option.WithHTTPClient(&http.Client{Transport: newTransport()}))
	if err != nil {
		return err
	}
	e.onClose(theirs.Close)
	e.app = &demoapp.GCS{Client: theirs, Bucket: e.Bucket.Name}
	return nil
}

func (e *End) openAzure(_ context.Context, url string) error {
	account := cloudsim.AzureConnectionString(url, "", "")
	ours, err := container.NewClientFromConnectionString(account, e.Bucket.Name, azblob.ClientOptions())
	if err != nil {
		return err
	}
	e.Store = azblob.New(ours, "", azblob.Options{})
	theirs, err := container.NewClientFromConnectionString(account, e.Bucket.Name, &container.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: newTransport()}},
	})
	if err != nil {
		return err
	}
	e.app = &demoapp.Azure{Client: theirs}
	return nil
}
