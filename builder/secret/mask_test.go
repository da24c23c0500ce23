package secret

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nshort\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"

// TestMasker: no secret passes, and nothing else is changed, however the
// stream is cut.
func TestMasker(t *testing.T) {
	t.Parallel()
	secrets := map[string][]byte{"a": []byte("topsecret\n"), "b": []byte("topsecret-longer"), "short": []byte("abc"), "pem": []byte(pem)}
	long := strings.Repeat("0123456789abcdef", 20)
	secrets["long"] = []byte(long)
	wrapped := base64.StdEncoding.EncodeToString([]byte(long))
	wrapped = wrapped[:76] + "\n" + wrapped[76:152] + "\n" + wrapped[152:]
	for text, want := range map[string]string{
		"nothing":                 "nothing",
		"the topsecret is":        "the *** is",
		"topsecrettopsecret":      "******",
		"topsecret-longer!":       "***!",
		"topsecret-long":          "***-long",
		"toptopsecret topsecre":   "top*** topsecre",
		"abc":                     "abc",
		"a " + pem + "b":          "a ***\nb",
		"key: hkiG9w0BAQEFAASC\n": "key: ***\n",
		"dG9wc2VjcmV0":            "***", "dG9wc2VjcmV0Cg==": "***",
		wrapped: "***\n***\n" + lastChunk(wrapped),
	} {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			var out bytes.Buffer
			m := Of(secrets).Masker(&out)
			for rest := text; rest != ""; {
				n := 1 + rng.IntN(len(rest))
				if k, err := m.Write([]byte(rest[:n])); k != n || err != nil {
					t.Fatal(k, err)
				}
				rest = rest[n:]
			}
			if err := m.Flush(); err != nil {
				t.Fatal(err)
			}
			if out.String() != want {
				t.Fatalf("%q became %q, want %q", text, out.String(), want)
			}
		}
	}
}

func lastChunk(wrapped string) string {
	last := wrapped[strings.LastIndexByte(wrapped, '\n')+1:]
	chunks := (len(last) + base64Line - 1) / base64Line
	return strings.Repeat(mask, chunks)
}

// TestMaskerDoesNotWait: what cannot be the beginning of a secret is shown at
// once, as a prompt without a line's end must be.
func TestMaskerDoesNotWait(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := Of(map[string][]byte{"a": []byte("topsecret")}).Masker(&out)
	if _, err := m.Write([]byte("password? ")); err != nil || out.String() != "password? " {
		t.Errorf("%q, %v", out.String(), err)
	}
}
