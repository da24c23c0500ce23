package values

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// The values of options that come with the request, as those of --network and
// --security of a RUN do with the Dockerfile.
var (
	networks     = []string{instructions.NetworkDefault, instructions.NetworkNone, instructions.NetworkHost}
	entitlements = []string{"network.host", "security.insecure", Device}
)

// CheckOptions refuses a network, or entitlements, that mean nothing.
func CheckOptions(network string, allow []string) error {
	if network != "" && !slices.Contains(networks, network) {
		return invalid("network %q of a build is none of %s", network, strings.Join(networks, ", "))
	}
	for _, e := range allow {
		if !slices.Contains(entitlements, e) && !strings.HasPrefix(e, Device+"=") {
			return invalid("the entitlement %q is none of %s", e, strings.Join(entitlements, ", ")+"[=NAME]")
		}
	}
	return nil
}
