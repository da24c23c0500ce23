// Package fingerprint says by what people know a certificate.
package fingerprint

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"strings"

	"cove/errdefs"
)

// Of is the SHA-256 of the first certificate of a PEM text, as openssl prints it:
// what people compare before they trust it.
func Of(text []byte) (string, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errdefs.Errorf(errdefs.ErrCorrupt, "the authority's certificate is no PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":"), nil
}
