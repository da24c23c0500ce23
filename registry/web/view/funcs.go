package view

import (
	"fmt"
	"html/template"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/registry/web/treemap"
)

// funcs are what templates may call, besides the methods of Page.
func (v *Views) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":    v.Assets.URL,
		"bytes":    Bytes,
		"short":    Short,
		"icon":     icon,
		"share":    share,
		"first":    func(n int, text string) string { return firstRunes(text, n) },
		"kind":     Kind,
		"severity": func(s fmt.Stringer) string { return "severity." + strings.ToLower(s.String()) },
		"base":     path.Base,
		"number":   treemap.N,
		"list":     func(items ...string) []string { return items },
		"dict":     dict,
		"plus":     func(a, b int) int { return a + b },
	}
}

// Bytes is a size for people, in binary units with three digits.
func Bytes(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		v /= 1024
		if v < 1000 {
			break
		}
	}
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " " + unit
}

// Short is a digest as far as people compare it.
func Short(d digest.Digest) string {
	hex := string(d)
	if _, after, ok := strings.Cut(hex, ":"); ok {
		hex = after
	}
	return hex[:min(12, len(hex))]
}

// share is how much part is of whole, in per cent with a tenth.
func share(part, whole int64) string {
	if whole <= 0 || part <= 0 {
		return "0"
	}
	return strconv.FormatFloat(100*min(1, float64(part)/float64(whole)), 'f', 1, 64)
}

func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i] + "…"
		}
		n--
	}
	return text
}

// Kind is the key of the message that names what a media type is.
func Kind(mediaType, artifactType string) string {
	for _, t := range []string{artifactType, mediaType} {
		for _, k := range mediaKinds {
			if t != "" && strings.Contains(t, k.part) {
				return "kind." + k.kind
			}
		}
	}
	return "kind.artifact"
}

// mediaKinds are looked at in this order.
var mediaKinds = []struct{ part, kind string }{
	{"vnd.oci.image.config", "image"},
	{"vnd.docker.container.image", "image"},
	{"cncf.helm", "chart"},
	{"cncf.model", "model"},
	{"docker.ai.model", "model"},
	{"cosign", "signature"},
	{"sigstore", "signature"},
	{"notary", "signature"},
	{"notaryproject", "signature"},
	{"spdx", "sbom"},
	{"cyclonedx", "sbom"},
	{"in-toto", "attestation"},
	{"image.index", "index"},
	{"manifest.list", "index"},
	{"vnd.docker.distribution.manifest.v2", "image"},
	{"vnd.oci.image.manifest", "image"},
}

// dict is a map for a template that takes several values.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no text", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}

// icons are drawn on a grid of 16 with strokes of the text's colour.
var icons = map[string]string{
	"cove":     `<path d="M2 6.5C4 3.5 6.5 2 9.5 2 12 2 14 3.5 14 5.5c0 1.8-1.4 3-3 3-1.4 0-2.4-.9-2.4-2.1"/><path d="M2 10.5c1.3-1 2.7-1 4 0s2.7 1 4 0 2.7-1 4 0M2 13.5c1.3-1 2.7-1 4 0s2.7 1 4 0 2.7-1 4 0"/>`,
	"folder":   `<path d="M2 4.5v8c0 .6.4 1 1 1h10c.6 0 1-.4 1-1v-6c0-.6-.4-1-1-1H8L6.5 3.5H3c-.6 0-1 .4-1 1z"/>`,
	"box":      `<path d="M8 1.5 14 5v6l-6 3.5L2 11V5zM2 5l6 3.5L14 5M8 8.5v6"/>`,
	"tag":      `<path d="M2 2.5h5.5l6 6-5 5-6.5-6z"/><circle cx="5" cy="5.5" r=".7"/>`,
	"search":   `<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>`,
	"user":     `<circle cx="8" cy="5" r="2.8"/><path d="M2.5 14c.5-3 2.7-4.5 5.5-4.5s5 1.5 5.5 4.5"/>`,
	"users":    `<circle cx="6" cy="5.5" r="2.5"/><path d="M1.5 13.5c.4-2.6 2.2-4 4.5-4s4.1 1.4 4.5 4M10.5 3.2a2.5 2.5 0 0 1 0 4.6M12 9.8c1.5.6 2.3 1.9 2.5 3.7"/>`,
	"log":      `<path d="M3.5 1.5h9v13h-9zM6 5h4M6 8h4M6 11h2"/>`,
	"globe":    `<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c2 2 2.5 4 2.5 6S10 12 8 14c-2-2-2.5-4-2.5-6S6 4 8 2z"/>`,
	"lock":     `<path d="M3.5 7h9v6.5h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2"/>`,
	"copy":     `<path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3"/>`,
	"file":     `<path d="M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3"/>`,
	"link":     `<path d="M6.5 9.5l3-3M7 4.5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5 7.5 13a2.8 2.8 0 0 1-4-4L5 7.5"/>`,
	"download": `<path d="M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11"/>`,
	"rocket":   `<path d="M6 10 4 8c1-3 4-6 9.5-5.5C14 8 11 11 8 12zM4 8H2l2-2.5M8 12v2l2.5-2M3.5 10.5l-1.5 3.5 3.5-1.5"/>`,
	"warning":  `<path d="M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.5v.2"/>`,
	"check":    `<path d="m3 8.5 3.3 3.3L13 4.5"/>`,
	"key":      `<circle cx="5" cy="11" r="3"/><path d="m7.2 8.8 6.3-6.3M11 5l2 2"/>`,
	"robot":    `<path d="M3 6h10v7H3zM8 6V3M8 3h.1M6 9v1M10 9v1M1.5 8.5v2.5M14.5 8.5v2.5"/>`,
	"layers":   `<path d="m8 2 6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3"/>`,
	"disk":     `<ellipse cx="8" cy="4" rx="5.5" ry="2.2"/><path d="M2.5 4v8c0 1.2 2.5 2.2 5.5 2.2s5.5-1 5.5-2.2V4M2.5 8c0 1.2 2.5 2.2 5.5 2.2s5.5-1 5.5-2.2"/>`,
	"arrows":   `<path d="M3 5.5h9.5M10 3l2.5 2.5L10 8M13 10.5H3.5M6 8l-2.5 2.5L6 13"/>`,
	"clock":    `<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.8"/>`,
	"sliders":  `<path d="M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7"/><circle cx="10.5" cy="4.5" r="1.6"/><circle cx="5.5" cy="11.5" r="1.6"/>`,
	"chevron":  `<path d="m6 3.5 4.5 4.5L6 12.5"/>`,
}

func icon(name string) template.HTML {
	const open = `<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">`
	return template.HTML(open + icons[name] + `</svg>`) // from the table above
}
