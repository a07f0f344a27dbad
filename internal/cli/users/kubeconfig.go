package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/suggest"
	"devserver.io/devserver/internal/exit"
)

// KubeconfigOptions describe the kubeconfig to make.
type KubeconfigOptions struct {
	Username, File, Server string
	Expires, Timeout       time.Duration
}

// kubeconfig makes a kubeconfig, tries it, and writes it.
func kubeconfig(ctx context.Context, to *cluster.Cluster, o KubeconfigOptions, streams genericiooptions.IOStreams) error {
	user, err := find(ctx, to.Client, o.Username)
	if err != nil {
		return err
	}
	if user.Status.Namespace == "" {
		reason, message := unready(user)
		return exit.With(exit.Refused, fmt.Errorf("%s has no namespace yet: %s: %s", o.Username, reason, message))
	}
	file := o.File
	if file == "" {
		file = o.Username + ".kubeconfig"
	}
	if _, err := os.Lstat(file); file != "-" && !errors.Is(err, fs.ErrNotExist) {
		return exit.With(exit.Refused, fmt.Errorf("%s exists already: remove it, or name another file with --file", file))
	}
	identity, err := certify(ctx, to.Client, user, o)
	if err != nil {
		return err
	}
	config, err := configFor(to.Config, user, identity, o.Server)
	if err != nil {
		return err
	}
	if err := try(ctx, to, user, identity); err != nil {
		return err
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("making the kubeconfig of %s: %w", user.Spec.Username, err)
	}
	if file == "-" {
		_, err = output.Lines(streams.Out, string(text))
		return err
	}
	if err := writeNew(file, text); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user.Spec.Username, err)
	}
	_, err = output.Printf(streams.Out, "wrote %s, valid until %s. Send it to %s as you would send a password. They use it with: devctl --kubeconfig %s list\n",
		file, identity.expires.Local().Format("2006-01-02"), user.Spec.Owner, file)
	return err
}

// find returns the DevServerUser with the username. Of two with the same, it is
// the one that has the namespace, or else the one that is named so.
func find(ctx context.Context, c client.Reader, username string) (*devserverv1.DevServerUser, error) {
	var users devserverv1.DevServerUserList
	if err := c.List(ctx, &users); err != nil {
		return nil, explain(err, "looking for DevServerUser "+username)
	}
	var found *devserverv1.DevServerUser
	var names []string
	for i := range users.Items {
		u := &users.Items[i]
		names = append(names, u.Spec.Username)
		if u.Spec.Username == username && (u.Status.Namespace != "" || u.Name == username && found == nil) {
			found = u
		}
	}
	if found != nil {
		return found, nil
	}
	text := "no DevServerUser has the username " + username
	if similar := suggest.Similar(username, names); similar != "" {
		return nil, exit.With(exit.NotFound, fmt.Errorf("%s. Did you mean %s?", text, similar))
	}
	return nil, exit.With(exit.NotFound, fmt.Errorf("%s: to list all: devctl users list", text))
}

// configFor is the user's kubeconfig: their own key, and the cluster as in the
// admin's kubeconfig.
func configFor(own *rest.Config, user *devserverv1.DevServerUser, identity *identity, server string) (*clientcmdapi.Config, error) {
	to := &clientcmdapi.Cluster{
		Server: own.Host, TLSServerName: own.ServerName, CertificateAuthorityData: own.CAData,
		InsecureSkipTLSVerify: own.Insecure,
	}
	if server != "" {
		to.Server = server
	}
	if len(own.CAData) == 0 && own.CAFile != "" {
		var err error
		if to.CertificateAuthorityData, err = os.ReadFile(own.CAFile); err != nil {
			return nil, fmt.Errorf("reading the certificate of the cluster: %w", err)
		}
	}
	const name = "devserver"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = to
	config.AuthInfos[user.Spec.Username] = &clientcmdapi.AuthInfo{ClientCertificateData: identity.certificate, ClientKeyData: identity.key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user.Spec.Username, Namespace: user.Status.Namespace}
	config.CurrentContext = name
	return config, nil
}

// try asks the cluster which name the new certificate stands for. It must be
// exactly the owner of the DevServerUser, because owners are compared with it.
func try(ctx context.Context, to *cluster.Cluster, user *devserverv1.DevServerUser, identity *identity) error {
	config := rest.AnonymousClientConfig(to.Config)
	config.CertData, config.KeyData = identity.certificate, identity.key
	c, err := client.New(config, client.Options{Scheme: to.Client.Scheme(), Mapper: to.Client.RESTMapper()})
	if err != nil {
		return fmt.Errorf("trying the new certificate: %w", err)
	}
	name, err := cluster.Me(ctx, c)
	if err != nil {
		return fmt.Errorf("trying the new certificate: %w", err)
	}
	if name != user.Spec.Owner {
		return fmt.Errorf("the cluster takes the new certificate for one of %s, not of %s: users cannot log in by certificate here", name, user.Spec.Owner)
	}
	return nil
}

// writeNew writes a file that only its owner can read. It replaces none.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
