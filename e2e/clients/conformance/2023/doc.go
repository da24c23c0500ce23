// Package suite names the suite of the OCI Distribution Specification as it was for version
// 1.1 first, whose tests TestConformance of internal/cli/registrycmd builds and runs.
package suite

import _ "github.com/opencontainers/distribution-spec/conformance" // its own tests are what is run
