package logging

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
	"cove/runner/record"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	type options = map[string]string
	sent := options{"syslog-address": "udp://127.0.0.1:514", "syslog-facility": "local3", "tag": "x/{{.Name}}", "mode": "non-blocking"}
	sized, marked := options{"max-size": "1m", "max-file": "2"}, options{"tag": "{{.Name}}", "env": "A", "mode": "non-blocking"}
	secured := options{
		"syslog-address": "tcp+tls://logs.example.com:6514", "syslog-tls-ca-cert": "/ca.pem",
		"syslog-tls-cert": "/cert.pem", "syslog-tls-key": "/key.pem", "syslog-tls-skip-verify": "false",
	}
	plain, old := options{"compress": "false"}, options{"max-age": "168h"}
	uncached := options{"cache-disabled": "true", "labels": "a,b"}
	for _, c := range []struct {
		driver  string
		options options
		want    record.LogConfig
	}{
		{"", sized, record.LogConfig{MaxSize: 1 << 20, MaxFile: 2, Options: sized}},
		{"json-file", marked, record.LogConfig{Options: marked}},
		{"json-file", old, record.LogConfig{MaxAge: 7 * 24 * time.Hour, Options: old}},
		{"json-file", plain, record.LogConfig{Options: plain}},
		{"local", nil, record.LogConfig{Driver: "local", MaxSize: localSize, MaxFile: localFile}},
		{"none", nil, record.LogConfig{Driver: "none"}},
		{"syslog", sent, record.LogConfig{Driver: "syslog", MaxSize: localSize, MaxFile: localFile, Options: sent}},
		{"syslog", secured, record.LogConfig{Driver: "syslog", MaxSize: localSize, MaxFile: localFile, Options: secured}},
		{"journald", uncached, record.LogConfig{
			Driver: "journald", MaxSize: localSize, MaxFile: localFile, Options: uncached, NoCache: true,
		}},
	} {
		got, err := Config(c.driver, c.options)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.driver, err, diff)
		}
	}
	for _, c := range []struct {
		driver, key, value string
		kind               error
		says               string
	}{
		{"fluentd", "tag", "x", errdefs.ErrUnsupported, "log driver fluentd: there are json-file"},
		{"json-file", "compress", "true", errdefs.ErrUnsupported, "log option compress=true: files that were rotated"},
		{"local", "compress", "perhaps", errdefs.ErrInvalid, "compress=perhaps"},
		{"json-file", "cache-max-size", "1m", errdefs.ErrUnsupported, "unknown log opt 'cache-max-size' for json-file log driver: there are"},
		{"local", "tag", "{{.Nothing}}", errdefs.ErrInvalid, "{{.ImageName}}"},
		{"json-file", "max-size", "-1", errdefs.ErrInvalid, "max-size"},
		{"local", "max-age", "7", errdefs.ErrInvalid, "log option max-age=7"},
		{"local", "max-age", "1ms", errdefs.ErrInvalid, "log option max-age=1ms"},
		{"local", "max-file", "0", errdefs.ErrInvalid, "max-file"},
		{"none", "max-file", "1", errdefs.ErrInvalid, "no options"},
		{"syslog", "tag", "{{.Nothing}}", errdefs.ErrInvalid, "{{.ImageName}}"},
		{"syslog", "syslog-facility", "here", errdefs.ErrInvalid, "invalid syslog facility"},
		{"syslog", "syslog-format", "json", errdefs.ErrInvalid, "rfc5424micro"},
		{"syslog", "syslog-address", "http://x", errdefs.ErrInvalid, `unsupported scheme: "http"`},
		{"syslog", "syslog-address", "tcp+tls://:514", errdefs.ErrInvalid, "want tcp+tls://HOST[:PORT]"},
		{"journald", "syslog-tls-ca-cert", "/ca.pem", errdefs.ErrUnsupported, "unknown log opt 'syslog-tls-ca-cert'"},
		{"journald", "syslog-address", "udp://x", errdefs.ErrUnsupported, "unknown log opt 'syslog-address'"},
		{"journald", "mode", "maybe", errdefs.ErrInvalid, "logging mode not supported"},
		{"journald", "env-regex", "(", errdefs.ErrInvalid, "env-regex"},
	} {
		_, err := Config(c.driver, map[string]string{c.key: c.value})
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %s=%s: %v", c.driver, c.key, c.value, err)
		}
	}
}

// TestSecuredSyslog: what is wrong with the options of TLS is said before a container is made.
func TestSecuredSyslog(t *testing.T) {
	t.Parallel()
	for says, more := range map[string]map[string]string{
		"syslog-tls-ca-cert=ca.pem: want an absolute path":         {"syslog-tls-ca-cert": "ca.pem"},
		"syslog-tls-cert and syslog-tls-key: want both or neither": {"syslog-tls-cert": "/cert.pem"},
		"syslog-tls-skip-verify=perhaps: want true or false":       {"syslog-tls-skip-verify": "perhaps"},
	} {
		more["syslog-address"] = "tcp+tls://logs.example.com"
		if _, err := Config("syslog", more); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", more, err)
		}
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	got := Fields(map[string]string{"labels": "tier,none", "env-regex": "^APP_"},
		map[string]string{"tier": "db", "other": "x"}, []string{"APP_A=1", "B=2"})
	if diff := cmp.Diff(map[string]string{"tier": "db", "APP_A": "1"}, got); diff != "" {
		t.Error(diff)
	}
}
