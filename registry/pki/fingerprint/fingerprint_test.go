package fingerprint_test

import (
	"errors"
	"testing"

	"cove/errdefs"
	"cove/registry/pki/fingerprint"
)

func TestOf(t *testing.T) {
	t.Parallel()
	got, err := fingerprint.Of([]byte("-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"))
	const abc = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD"
	if err != nil || got != abc {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := fingerprint.Of([]byte("no PEM")); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("no PEM: %v", err)
	}
}
