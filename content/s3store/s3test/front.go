package s3test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"

	"cove/content/s3store/objects"
)

// Front is a place of its own in the service, which is reached over TLS through a handler;
// next is the service.
func (s *Server) Front(t testing.TB, through func(next http.Handler) http.Handler) objects.Config {
	t.Helper()
	to, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own service
		},
	}
	front := httptest.NewTLSServer(through(proxy))
	t.Cleanup(front.Close)
	cfg := s.Config()
	cfg.Endpoint, cfg.CA = front.URL, filepath.Join(t.TempDir(), "ca.pem")
	write(t, cfg.CA, encode("CERTIFICATE", front.Certificate().Raw))
	return cfg
}

// SlowDown answers as S3 does where it is asked too much. To a HEAD it says no reason.
func SlowDown(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>` +
		`<Message>Please reduce your request rate.</Message><RequestId>1</RequestId></Error>`)) // whoever is gone hears nothing
}
