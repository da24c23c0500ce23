// Package sbom writes what an image holds as a software bill of materials, in the
// JSON of SPDX 2.3 and of CycloneDX 1.6. The same image has the same bytes each time.
package sbom

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/inventory/packages"
)

// The forms.
const (
	SPDX      = "spdx"
	CycloneDX = "cyclonedx"
)

// Subject is the image that the bill is of.
type Subject struct {
	Name    string // team/app
	Digest  digest.Digest
	Created time.Time // of the bill: when the image was pushed
	Tool    string    // what made it, as cove-1.0
}

// MediaType is that of a form, which is also the type of its artifact. Another form
// is errdefs.ErrInvalid.
func MediaType(form string) (string, error) {
	switch form {
	case SPDX:
		return "application/spdx+json", nil
	case CycloneDX:
		return "application/vnd.cyclonedx+json", nil
	}
	return "", errdefs.Errorf(errdefs.ErrInvalid, "form %q of an SBOM: use spdx or cyclonedx", form)
}

// Write writes the bill of an image in a form.
func Write(form string, s Subject, image packages.Image) ([]byte, error) {
	if _, err := MediaType(form); err != nil {
		return nil, err
	}
	var doc any = spdx(s, image)
	if form == CycloneDX {
		doc = cyclonedx(s, image)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(doc)
	return out.Bytes(), err
}

// uuid is one of version 8 (RFC 9562) that is made of a text.
func uuid(text string) string {
	sum, err := hex.DecodeString(digest.FromString(text).Encoded())
	if err != nil {
		return ""
	}
	sum = sum[:16]
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// purl is the package URL of an image.
func (s Subject) purl() string {
	name := s.Name
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			name = name[i+1:]
			break
		}
	}
	return "pkg:oci/" + name + "@" + s.Digest.Algorithm().String() + "%3A" + s.Digest.Encoded()
}
