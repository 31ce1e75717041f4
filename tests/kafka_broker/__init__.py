"""Apache Kafka as the tests run it: SASL_SSL, SCRAM-SHA-512 and topic permissions on 127.0.0.1.

`fetch` brings the broker's jars, `certificates` makes a certificate authority and server certificates,
`apache` runs the broker. It needs a JDK (17 or newer) and, for the first run, Maven.
"""
