package strength

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"
)

// TestShort: only keys of RSA are measured by their bits.
func TestShort(t *testing.T) {
	t.Parallel()
	for bits, want := range map[int]bool{1024: true, 2047: true, 2048: false} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		if got, short := Short(key.Public()); got != bits || short != want {
			t.Errorf("%d bits: %d, %v", bits, got, short)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, short := Short(key.Public()); short {
		t.Error("a key of 256 bits of a curve is short")
	}
}
