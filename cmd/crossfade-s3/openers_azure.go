//go:build !noazure

package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/token/aws"
)

func addAzure(o config.Openers, id config.Identity, us *aws.Source) {
	o["az"] = azblob.Opener(azblob.Identity{Tokens: us, Audience: id.Audience})
}
