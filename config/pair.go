package config

import "net/url"

// IDs names the two ends of a migration in stamps and reports. Each is the
// location's ID, unless both would be the same (one bucket name on two servers
// or in two storage accounts): then the endpoint of the URL is added to each
// that names one. It depends on nothing but the URLs, so that every process of
// a migration comes to the same names.
func IDs(source, target Location) (sourceID, targetID string) {
	sourceID, targetID = source.ID(), target.ID()
	if sourceID == targetID {
		sourceID, targetID = source.atEndpoint(), target.atEndpoint()
	}
	return sourceID, targetID
}

func (l Location) atEndpoint() string {
	e := endpoint(l)
	if e == "" {
		return l.ID()
	}
	if u, err := url.Parse(e); err == nil && u.Host != "" {
		e = u.Host
	}
	return l.ID() + "?endpoint=" + e
}
