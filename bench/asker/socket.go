package asker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Lists asks a server of docker's API, at a socket, for its containers, one time after the other
// on one connection: what is measured is the answer, and not the start of a program that asks.
func Lists(ctx context.Context, socket string, times int) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	for range times {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/json", http.NoBody)
		if err != nil {
			return err
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		if cerr := res.Body.Close(); err == nil {
			err = cerr
		}
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("GET /containers/json: %s", res.Status)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
