// Package sshagent lets the commands of a build use ssh keys that they never see:
// an agent answers on a socket, and signs.
//
// What a command is given is not the user's own agent: it can list the keys that
// it was given and sign with them, and neither add, remove nor lock any.
package sshagent

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"cove/errdefs"
)

// Agent holds keys, or knows the agent that does.
type Agent struct {
	socket string // of the agent, "" for keys of its own
	keys   agent.Agent
}

// Open returns the agent of the paths: one socket of an agent, or files of private
// keys.
func Open(paths []string) (*Agent, error) {
	if len(paths) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "no socket of an agent and no key")
	}
	ring := agent.NewKeyring()
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
		}
		if info.Mode()&os.ModeSocket != 0 {
			if len(paths) > 1 {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is an agent: give it alone, or keys alone", p)
			}
			return &Agent{socket: p}, nil
		}
		if err := addKey(ring, p); err != nil {
			return nil, err
		}
	}
	return &Agent{keys: ring}, nil
}

func addKey(ring agent.Agent, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	key, err := ssh.ParseRawPrivateKey(text)
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"%s has a passphrase: add it to an agent (ssh-add) and give the agent", name)
	}
	if err == nil {
		err = ring.Add(agent.AddedKey{PrivateKey: key})
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is not a private key: %w", name, err)
	}
	return nil
}

// Serve answers on one connection until its end, and closes it.
func (a *Agent) Serve(conn net.Conn) error {
	defer conn.Close()
	keys := a.keys
	if a.socket != "" {
		own, err := (&net.Dialer{}).DialContext(context.Background(), "unix", a.socket)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "ssh agent: %w", err)
		}
		defer own.Close()
		keys = agent.NewClient(own)
	}
	err := agent.ServeAgent(signer{keys}, conn)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Socket is that of the agent, "" where the keys are its own.
func (a *Agent) Socket() string { return a.socket }

// errSignOnly is what everything but listing and signing is answered.
var errSignOnly = errors.New("this agent only lists keys and signs")

// signer is the part of an agent that a build may use.
type signer struct{ keys agent.Agent }

func (s signer) List() ([]*agent.Key, error) { return s.keys.List() }

func (s signer) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return s.keys.Sign(key, data)
}

// SignWithFlags implements agent.ExtendedAgent, for keys that have several
// kinds of signature.
func (s signer) SignWithFlags(key ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	if ext, ok := s.keys.(agent.ExtendedAgent); ok {
		return ext.SignWithFlags(key, data, flags)
	}
	return s.keys.Sign(key, data)
}

func (signer) Extension(string, []byte) ([]byte, error) { return nil, agent.ErrExtensionUnsupported }
func (signer) Add(agent.AddedKey) error                 { return errSignOnly }
func (signer) Remove(ssh.PublicKey) error               { return errSignOnly }
func (signer) RemoveAll() error                         { return errSignOnly }
func (signer) Lock([]byte) error                        { return errSignOnly }
func (signer) Unlock([]byte) error                      { return errSignOnly }
func (signer) Signers() ([]ssh.Signer, error)           { return nil, errSignOnly }
