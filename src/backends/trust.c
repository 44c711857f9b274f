#include "config.h"

#include "backends/trust.h"

#include <curl/curl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- for libcurl ---- */

void trust_set(void *curl, const char *ca_file)
{
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file == NULL)
		return;
	curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

/* What libcrypto says of a certificate; a name that does not fit is found by libcurl itself, which says nothing else then. */
static const struct { long verdict; enum http_distrust distrust; } verdicts[] = {
	{ X509_V_OK, HTTP_DISTRUST_NAME }, { X509_V_ERR_UNSPECIFIED, HTTP_DISTRUST_NAME }, { X509_V_ERR_HOSTNAME_MISMATCH, HTTP_DISTRUST_NAME },
	{ X509_V_ERR_IP_ADDRESS_MISMATCH, HTTP_DISTRUST_NAME }, { X509_V_ERR_CERT_NOT_YET_VALID, HTTP_DISTRUST_TIME }, { X509_V_ERR_CERT_HAS_EXPIRED, HTTP_DISTRUST_TIME },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, HTTP_DISTRUST_AUTHORITY }, { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, HTTP_DISTRUST_AUTHORITY },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, HTTP_DISTRUST_AUTHORITY }, { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, HTTP_DISTRUST_AUTHORITY },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, HTTP_DISTRUST_AUTHORITY }, { X509_V_ERR_CERT_UNTRUSTED, HTTP_DISTRUST_AUTHORITY },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, HTTP_DISTRUST_AUTHORITY },
};

static enum http_distrust of_certificate(void *curl)
{
	long verdict = X509_V_OK;
	curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
		if (verdicts[i].verdict == verdict)
			return verdicts[i].distrust;
	return HTTP_DISTRUST_OTHER;
}

bool trust_broken(void *curl, int code, struct http_answer *answer)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		answer->distrust = of_certificate(curl);
		return true;
	case CURLE_SSL_CACERT_BADFILE:
		answer->distrust = HTTP_DISTRUST_FILE;
		return true;
	case CURLE_SSL_CONNECT_ERROR:
		answer->distrust = HTTP_DISTRUST_NO_TLS;
		return true;
	default:
		return false;
	}
}

/* ---- in words ---- */

#define CERTIFICATE "backend_certificate"

static const struct { const char *code, *suggestion, *message; } words[] = {
	[HTTP_DISTRUST_AUTHORITY] = { CERTIFICATE, "Name the file with that authority's certificate: fnr backend set ID --ca-file FILE.",
	                              "The certificate of the backend's server is signed by an authority that is not trusted." },
	[HTTP_DISTRUST_NAME] = { CERTIFICATE, "Give the backend the address that the certificate names, or the server a certificate for this address.",
	                         "The certificate of the backend's server is for another name than its address." },
	[HTTP_DISTRUST_TIME] = { CERTIFICATE, "Renew it on the server; if it is sound, set the clocks of both machines.",
	                         "The certificate of the backend's server has expired, or is not valid yet." },
	[HTTP_DISTRUST_OTHER] = { CERTIFICATE, "Give the server a certificate that holds.", "The certificate of the backend's server is not acceptable." },
	[HTTP_DISTRUST_FILE] = { "backend_ca_file", "Look whether the file is there, can be read by the user that runs this, and holds certificates in PEM.",
	                         "The backend's ca_file cannot be used." },
	[HTTP_DISTRUST_NO_TLS] = { "backend_no_tls", "Look whether the server speaks TLS at all; if not, give the backend its http:// address.",
	                           "No TLS comes about with the backend's server." },
};

enum run_result trust_failed(const struct http_answer *answer, struct run_error *error)
{
	enum http_distrust distrust = words[answer->distrust].code != NULL ? answer->distrust : HTTP_DISTRUST_OTHER;
	run_fail(error, FNR_CLASS_TRANSIENT, words[distrust].code, words[distrust].suggestion, NULL, answer->detail, "%s", words[distrust].message);
	error->backend_down = true;
	return RUN_FAILED;
}

void trust_version(const char *ca_file, char out[48])
{
	struct stat info;
	out[0] = '\0';
	if (ca_file != NULL && stat(ca_file, &info) == 0)
		snprintf(out, 48, "%lld.%09ld", (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}
