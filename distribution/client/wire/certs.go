package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cove/distribution/client/hosts"
	"cove/errdefs"
	"cove/reference"
)

// certsName is the folder of certs.d that addr (host[:port]) has. That of docker.io's
// own registry is called docker.io, as docker has it.
func certsName(addr string) string {
	if addr == hosts.Hub {
		return reference.DefaultRegistry
	}
	return addr
}

// loadCerts reads docker's certs.d: in DIR/HOST[:PORT]/, every *.crt is an
// authority to trust beside the system's, and every *.cert is a certificate to
// show, with its *.key beside it. A directory of the host without its port
// serves for all ports. SSL_CERT_FILE is read by crypto/x509 itself.
func loadCerts(dirs []string, host string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	names := []string{host}
	if h := hosts.Name(host); h != host {
		names = append(names, h)
	}
	for _, dir := range dirs {
		for _, name := range names {
			if err := addCerts(conf, dir, name); err != nil {
				return nil, err
			}
		}
	}
	return conf, nil
}

func addCerts(conf *tls.Config, dir, host string) error {
	if !fs.ValidPath(host) || strings.Contains(host, "/") || host == "." {
		return nil // a host that is no name of a directory has none
	}
	root, err := os.OpenRoot(filepath.Join(dir, host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch path := filepath.Join(dir, host, e.Name()); filepath.Ext(e.Name()) {
		case ".crt":
			err = addAuthority(conf, root, e.Name(), path)
		case ".cert":
			err = addPair(conf, root, e.Name(), path)
		case ".key":
			cert := strings.TrimSuffix(e.Name(), ".key") + ".cert"
			if _, serr := root.Stat(cert); serr != nil {
				err = errdefs.Errorf(errdefs.ErrInvalid, "%s: a key without its certificate %s", path, cert)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addAuthority(conf *tls.Config, root *os.Root, name, path string) error {
	pem, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	return trust(conf, pem, path)
}

// trust adds authorities to the system's.
func trust(conf *tls.Config, pem []byte, from string) (err error) {
	if conf.RootCAs == nil {
		if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
			conf.RootCAs = x509.NewCertPool()
		}
	}
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: no certificate in PEM form in it", from)
	}
	return nil
}

func addPair(conf *tls.Config, root *os.Root, name, path string) error {
	cert, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	keyName := strings.TrimSuffix(name, ".cert") + ".key"
	key, err := root.ReadFile(keyName)
	if errors.Is(err, fs.ErrNotExist) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"%s: the key %s is missing beside it; authorities end in .crt, client certificates in .cert", path, keyName)
	} else if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s with %s: %w", path, keyName, err)
	}
	conf.Certificates = append(conf.Certificates, pair)
	return nil
}
