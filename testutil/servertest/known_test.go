//go:build servers

package servertest

// What the servers are known to do wrong: the case of the conformance suite,
// and the reason. Each of them is run all the same and must fail, but for races,
// which may go well by luck.

// versitygw keeps objects as files under their keys.
var versitygwKnown = map[string]string{
	"Condition/DeleteIfMatchGone": "answers a conditional delete of an absent object with success",
	"Key/BackslashLeading":        "keys are paths: drops leading slashes",
	"Key/ControlBytes":            "lists keys unencoded though asked for encoding-type=url, and XML cannot hold them",
	"Key/DirectoryMarker":         "keys are paths: a key that ends in a slash must be empty",
	"Key/DotDotSegment":           "keys are paths: refuses to go up",
	"Key/DotDotSegmentInside":     "keys are paths: cleans them",
	"Key/DotOnly":                 "keys are paths: refuses to go up",
	"Key/DotSegment":              "keys are paths: cleans them",
	"Key/DotSegmentInside":        "keys are paths: cleans them",
	"Key/DoubleSlash":             "keys are paths: cleans them",
	"Key/LeadingSlash":            "keys are paths: drops leading slashes",
	"Key/LeadingSlashes":          "keys are paths: drops leading slashes",
	"Key/LongSegment":             "keys are paths: a segment has at most 255 bytes",
	"Key/NUL":                     "keys are paths: answers 500",
	"Key/NotInXML":                "lists keys unencoded though asked for encoding-type=url, and XML cannot hold them",
	"Key/OnlySlash":               "keys are paths: refuses the root",
	"Key/TrailingSlash":           "keys are paths: a key that ends in a slash must be empty",
	"Key/URL":                     "keys are paths: cleans them",
	"Pin/ReadsUnderOverwrite":     "reads body and attributes of a file one after the other",
	"Race/DeleteAgainstPut":       "compares and deletes one after the other",
	"Update/ReplacesWholly":       "a copy that replaces the metadata keeps headers that it does not name",
}

var fakeGCSKnown = map[string]string{
	"Condition/DeleteIfMatchStale": "ignores ifGenerationMatch on deletes",
	"Race/DeleteAgainstPut":        "ignores ifGenerationMatch on deletes",
	"Update/Conditions":            "keeps no metageneration, so that a version does not change with the attributes",
	"Update/ReplacesWholly":        "a patch cannot clear an attribute",
}

var azuriteKnown = map[string]string{
	"Key/C1Controls": "accepts the control characters U+0080 to U+009F, which the service refuses",
	"Key/Emoji":      "lists in the order of UTF-16 code units, not of bytes",
	"Key/NotInXML":   "answers a listing with such a key with status 500",
	"List/Order":     "lists in the order of UTF-16 code units, not of bytes",
}
