// Command dex serves a provider of OpenID Connect for tests: dex, with a connector that
// signs one person in, of one group, without a question. It is a module of its own, so that
// nothing of dex is a dependency of cove. It takes the address where browsers are sent back
// to, prints its issuer, and serves until its input ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("dex: give the address that browsers are sent back to")
	}
	if err := serve(os.Args[1]); err != nil {
		log.Fatal("dex: ", err)
	}
}

func serve(redirect string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String()
	quiet := logrus.New()
	quiet.SetLevel(logrus.ErrorLevel)
	store := memory.New(quiet)
	err = errors.Join(
		store.CreateClient(storage.Client{
			ID: "cove", Secret: "client's secret", RedirectURIs: []string{redirect}, Name: "cove",
		}),
		store.CreateConnector(storage.Connector{ID: "mock", Type: "mockCallback", Name: "Mock"}),
	)
	if err != nil {
		return err
	}
	dir, err := web()
	if err != nil {
		return err
	}
	dex, err := server.NewServer(context.Background(), server.Config{
		Issuer: issuer, Storage: store, SkipApprovalScreen: true, Logger: quiet, Web: server.WebConfig{Dir: dir},
		PrometheusRegistry: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	fmt.Println(issuer)
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
		listener.Close()
	}()
	s := &http.Server{Handler: dex, ReadHeaderTimeout: time.Minute}
	if err := s.Serve(listener); err != nil && !over.Load() {
		return err
	}
	return nil
}

// web is the folder of dex's own pages, which come with its sources.
func web() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dexidp/dex").Output()
	if err != nil {
		return "", fmt.Errorf("where the sources are: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "web"), nil
}
