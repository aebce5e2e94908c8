package config

import "strings"

// Account is the storage account of an az location, in lower case as such names
// are: as its URL or the environment of the Azure SDKs names it, or "". lookup is
// os.LookupEnv or its like.
func (l Location) Account(lookup func(string) (string, bool)) string {
	if l.Scheme != "az" {
		return ""
	}
	if l.URL.Scheme == "https" {
		name, _, _ := strings.Cut(l.URL.Hostname(), ".")
		return strings.ToLower(name)
	}
	if s, ok := lookup("AZURE_STORAGE_CONNECTION_STRING"); ok {
		for part := range strings.SplitSeq(s, ";") {
			if name, value, _ := strings.Cut(part, "="); strings.EqualFold(strings.TrimSpace(name), "AccountName") {
				return strings.ToLower(strings.TrimSpace(value))
			}
		}
	}
	s, _ := lookup("AZURE_STORAGE_ACCOUNT")
	return strings.ToLower(s)
}
