"""Tokens: keys inside hardware, reached by PKCS#11"""
