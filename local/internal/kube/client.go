// Package kube calls a cluster's API server as its administrator, with the few calls
// that starting a cluster requires. It uses plain HTTPS: with client-go, this command
// would take as long to build as the cluster itself.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Client calls one cluster's API server.
type Client struct {
	base string
	http *http.Client
}

// StatusError is a response other than success.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server responded %d: %s", e.Code, e.Message)
}

// New connects with the administrator's certificate from the folder pki.
func New(pki string, node netip.Addr) (*Client, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("read the administrator's certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &Client{
		base: "https://" + netip.AddrPortFrom(node, 6443).String(),
		http: &http.Client{
			Timeout: 10 * time.Second,
			// No Proxy: the node is never behind one.
			Transport: &http.Transport{
				TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
				ForceAttemptHTTP2: true,
			},
		},
	}, nil
}

// Ready returns nil if the API server is ready, or the reason why not.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodGet, "/readyz", "", nil)
	return err
}

// Get reads an object or a list at an API path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.get(ctx, path, "application/json", out)
}

// GetMetadata reads only the metadata of a list's objects into out.
func (c *Client) GetMetadata(ctx context.Context, path string, out any) error {
	return c.get(ctx, path, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", out)
}

func (c *Client) get(ctx context.Context, path, accept string, out any) error {
	data, err := c.request(ctx, http.MethodGet, path, http.Header{"Accept": {accept}}, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read the response for %s: %w", path, err)
	}
	return nil
}

// Patch merges a document into the object at an API path.
func (c *Client) Patch(ctx context.Context, path string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, http.MethodPatch, path, "application/merge-patch+json", body)
	return err
}

// Delete deletes the object at an API path.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.call(ctx, http.MethodDelete, path, "", nil)
	return err
}

func (c *Client) call(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	header := http.Header{"Accept": {"application/json"}}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return c.request(ctx, method, path, header, body)
}

func (c *Client) request(ctx context.Context, method, path string, header http.Header, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set("User-Agent", "devserver-local")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("call the API server: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the API server's response: %w", err)
	}
	if response.StatusCode >= 300 {
		var status struct{ Message string }
		if json.Unmarshal(data, &status) != nil || status.Message == "" {
			status.Message = string(data)
		}
		return nil, &StatusError{Code: response.StatusCode, Message: status.Message}
	}
	return data, nil
}
