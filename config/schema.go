package config

import (
	_ "embed"
)

//go:embed schema.json
var schema string

// Schema is the JSON Schema (draft 2020-12) of a migration's file, for editors.
// It knows the form; what fields mean together, Load alone judges.
func Schema() string { return schema }
