package wire

import (
	"net/http"
	"regexp"
	"strings"
	"unicode"
)

const (
	// maxWarnings bounds what one registry can tell, and maxWarning one of them in
	// bytes: the specification allows 4,096 bytes in all.
	maxWarnings = 32
	maxWarning  = 1024
)

// warn tells the warnings of an answer (specification 1.1, "Warnings"), each of a
// registry once. Nothing else is done about them.
func (w *Wire) warn(host string, h http.Header) {
	if w.cfg.OnWarning == nil {
		return
	}
	for _, value := range h.Values("Warning") {
		text, ok := warningText(value)
		if !ok {
			continue
		}
		w.mu.Lock()
		told := w.warned[host]
		if told == nil {
			told = make(map[string]bool)
			w.warned[host] = told
		}
		known := told[text] || len(told) == maxWarnings
		if !known {
			told[text] = true
		}
		w.mu.Unlock()
		if !known {
			w.cfg.OnWarning(host, text)
		}
	}
}

// escaped is a quoted-pair (RFC 9110, 5.6.4).
var escaped = regexp.MustCompile(`\\(.)`)

// warningText reads `299 - "TEXT"`; others are no warnings of a registry.
func warningText(value string) (string, bool) {
	quoted, ok := strings.CutPrefix(strings.TrimSpace(value), `299 - "`)
	if !ok || len(quoted) > maxWarning {
		return "", false
	}
	quoted, ok = strings.CutSuffix(quoted, `"`)
	if !ok {
		return "", false
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1 // a terminal would obey some of these
		}
		return r
	}, escaped.ReplaceAllString(quoted, "$1"))
	return text, text != ""
}
