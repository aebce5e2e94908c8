//go:build nogcs

package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/token/aws"
)

func addGCS(config.Openers, config.Identity, *aws.Source) {}
