package main

import (
	"context"
	"net/url"
	"os"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/file"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/store/token/aws"
	"github.com/crossfade-io/crossfade/store/token/azure"
	"github.com/crossfade-io/crossfade/store/token/google"
)

// drivers are those that this program links, for this process's environment.
func drivers() config.Openers { return driversFor(os.LookupEnv) }

// driversFor opens the stores of the cloud that CROSSFADE_IDENTITY names, and
// where it names none all, by the default credentials of the SDKs; those of the
// others by the identity that the process has there. A wrong identity is told
// once a store is opened, for not every verb opens one.
func driversFor(lookup func(string) (string, bool)) config.Openers {
	o := config.Openers{"s3": s3.Open, "gs": gcs.Open, "az": azblob.Open, "file": file.Open}
	id, err := config.IdentityFromEnv(lookup, "")
	if err != nil {
		refuse := func(context.Context, *url.URL) (store.Store, error) { return nil, &usageError{err} }
		o["s3"], o["gs"], o["az"] = refuse, refuse, refuse
		return o
	}
	toS3, toGCS, toAzure := s3.Identity{Role: id.AWSRole, Audience: id.Audience}, gcs.Identity{Audience: id.GCPAudience, ServiceAccount: id.GCPServiceAccount, TokenAudience: id.Audience}, azblob.Identity{Audience: id.Audience}
	switch id.Cloud {
	case config.AWS:
		us := aws.New()
		toGCS.Keys, toAzure.Tokens = us, us
	case config.Google:
		us := google.New()
		toS3.Tokens, toAzure.Tokens = us, us
	case config.Azure:
		client, _ := lookup("AZURE_CLIENT_ID")
		us := azure.New(client)
		toS3.Tokens, toGCS.Tokens = us, us
	}
	o["s3"], o["gs"], o["az"] = s3.Opener(toS3), gcs.Opener(toGCS), azblob.Opener(toAzure)
	return o
}
