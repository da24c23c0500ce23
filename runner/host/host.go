// Package host tells which features this kernel and this process have.
package host
