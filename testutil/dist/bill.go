package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/CycloneDX/cyclonedx-go"
)

// billFile is the software bill of materials, in CycloneDX.
const billFile = "crossfade.cdx.json"

// component is a release file and what it is made of.
type component struct {
	file    string
	sha256  string
	modules []module
}

// module is a Go module in a release file; that of the standard library is std.
type module struct {
	path, version string
	sum           string // as in go.sum; "" where it is not known
}

func (m module) purl() string { return "pkg:golang/" + m.path + "@" + m.version }

// readBinary reads what the toolchain recorded in a program.
func readBinary(path string) (component, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return component{}, err
	}
	c := component{modules: []module{{path: "std", version: info.GoVersion}}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		c.modules = append(c.modules, module{path: d.Path, version: d.Version, sum: d.Sum})
	}
	return c, nil
}

// writeBill lists the release files, the modules of all of them, and which is in
// which. It has no time and no serial number, so that equal files give an equal
// bill.
func writeBill(path, version string, made []component) error {
	const root = "crossfade"
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: root, Type: cyclonedx.ComponentTypeApplication, Name: root, Version: version,
		PackageURL: "pkg:golang/github.com/crossfade-io/crossfade@" + version,
		Licenses:   &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
	}}
	all := map[string]module{}
	files, needs := []cyclonedx.Component{}, []cyclonedx.Dependency{}
	names := []string{}
	for _, c := range slices.SortedFunc(slices.Values(made), func(a, b component) int { return cmp.Compare(a.file, b.file) }) {
		refs := []string{}
		for _, m := range c.modules {
			if known, ok := all[m.purl()]; !ok || known.sum == "" {
				all[m.purl()] = m
			}
			refs = append(refs, m.purl())
		}
		slices.Sort(refs)
		ref := "file:" + c.file
		names = append(names, ref)
		files = append(files, cyclonedx.Component{
			BOMRef: ref, Type: cyclonedx.ComponentTypeFile, Name: c.file, Version: version,
			Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: c.sha256}},
		})
		needs = append(needs, cyclonedx.Dependency{Ref: ref, Dependencies: &refs})
	}
	for _, ref := range slices.Sorted(maps.Keys(all)) {
		m := all[ref]
		c := cyclonedx.Component{BOMRef: ref, Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: ref}
		if m.sum != "" {
			c.Properties = &[]cyclonedx.Property{{Name: "cdx:gomod:sum", Value: m.sum}}
		}
		files = append(files, c)
	}
	needs = append([]cyclonedx.Dependency{{Ref: root, Dependencies: &names}}, needs...)
	bom.Components, bom.Dependencies = &files, &needs
	var b bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return fmt.Errorf("the bill of materials: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
