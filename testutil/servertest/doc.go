// Package servertest runs crossfade against real servers: the conformance
// suite through each driver, and the built binary between every two clouds.
// What arrived is read back with the clouds' plain SDKs, not with crossfade's
// drivers. The tests are behind the build tag servers; see make test-servers.
package servertest
