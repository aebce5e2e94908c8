package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/store/token/azure"
)

// openers are the drivers. The other clouds are entered with the managed identity
// of the function, which AZURE_CLIENT_ID names if it is user-assigned.
func openers(id config.Identity, lookup func(string) (string, bool)) config.Openers {
	client, _ := lookup("AZURE_CLIENT_ID")
	us := azure.New(client)
	return config.Openers{
		"s3": s3.Opener(s3.Identity{Role: id.AWSRole, Tokens: us, Audience: id.Audience}),
		"gs": gcs.Opener(gcs.Identity{Audience: id.GCPAudience, ServiceAccount: id.GCPServiceAccount, Tokens: us, TokenAudience: id.Audience}),
		"az": azblob.Open,
	}
}
