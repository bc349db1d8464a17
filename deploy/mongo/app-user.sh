#!/bin/bash
# Sourced by the database's first start, while it takes no connections from outside: the user that the application signs in as.
mongosh --quiet --host 127.0.0.1 fraud <<JS
db.createUser({user: "fraud", pwd: "$(cat /secrets/app_password)", roles: [{role: "readWrite", db: "fraud"}, {role: "dbAdmin", db: "fraud"}]})
JS
